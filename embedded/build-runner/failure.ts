/** A build that its author can mend: one sentence, and what to do. */
export class BuildFailure extends Error {
  override readonly name = 'BuildFailure'
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}
