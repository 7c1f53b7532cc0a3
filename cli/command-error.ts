/** How a command ends; scripts may rely on it. 0 is success, 1 a refusal by the platform, 2 a wrong command line. */
export type ExitCode = 1 | 2 | 3 | 4

/** A failure told to the person in one message: 3 when the platform cannot be reached, 4 when he is not logged in. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode: ExitCode

  constructor(message: string, exitCode: ExitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}
