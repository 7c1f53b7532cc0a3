/** A push that fails for a reason its pusher can do something about: one sentence, and what to do. */
export class BuildError extends Error {
  override readonly name = 'BuildError'
  readonly hint: string | undefined

  constructor(message: string, hint?: string, options?: ErrorOptions) {
    super(message, options)
    this.hint = hint
  }
}
