/** The name of a process type. */
export const PROCESS_TYPE = /^[a-z0-9]+(-[a-z0-9]+)*$/

/** What clients are told of a malformed one. */
export const PROCESS_TYPE_RULE = 'Process types can only contain lowercase alphanumeric characters'
