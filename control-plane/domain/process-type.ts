const PROCESS_TYPE = /^[a-z0-9]+(-[a-z0-9]+)*$/
// It is the value of a label, and the second half of the name of a Deployment.
const LENGTH_MAX = 63

/** True for what may be the name of a process type. */
export function isProcessType(text: string): boolean {
  return text.length <= LENGTH_MAX && PROCESS_TYPE.test(text)
}

/** What clients are told of a malformed one. */
export const PROCESS_TYPE_RULE = 'Process types can only contain lowercase alphanumeric characters'
