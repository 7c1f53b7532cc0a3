/** Now, in the form that records keep: RFC 3339, UTC, milliseconds (they order what was added within one second). */
export function now(): string {
  return new Date().toISOString()
}

/** The form in which the API shows times: RFC 3339, UTC, whole seconds. */
export function timestamp(time: string | Date): string {
  return `${(typeof time === 'string' ? time : time.toISOString()).slice(0, 19)}Z`
}
