/**
 * How a command ends; scripts may rely on it. 0 is success, 1 a refusal by the platform, 2 a wrong command line, 3 a platform that is not
 * reached, 4 nobody logged in, 130 the person's own Ctrl-C.
 */
export type ExitCode = 1 | 2 | 3 | 4 | 130

/** A failure told to the person in one message, which says what to do where that is known. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode: ExitCode
  /** The HTTP status, where it was the platform that refused. */
  readonly status: number | undefined

  constructor(message: string, exitCode: ExitCode = 1, status?: number) {
    super(message)
    this.exitCode = exitCode
    this.status = status
  }
}
