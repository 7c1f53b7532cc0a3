import { PlatformApi } from './api.ts'
import { Output } from './output.ts'
import { type Profile, readProfile } from './profile.ts'
import { resolveApp } from './repository.ts'

/** What every command is given: who is logged in, the API as him, and where to print. */
export class Context {
  readonly output: Output
  readonly env: NodeJS.ProcessEnv
  readonly #appOption: string | undefined
  #profile: Profile | undefined
  #api: PlatformApi | undefined
  #app: string | undefined

  constructor(options: { json?: boolean; app?: string }, env: NodeJS.ProcessEnv) {
    this.output = new Output(options.json === true)
    this.env = env
    this.#appOption = options.app
  }

  /** @throws {CommandError} when nobody is logged in */
  get profile(): Profile {
    this.#profile ??= readProfile(this.env)
    return this.#profile
  }

  get api(): PlatformApi {
    this.#api ??= new PlatformApi(this.profile, { isForTerminal: this.output.isForTerminal })
    return this.#api
  }

  /** The id of the app that is meant. @throws {CommandError} when nothing tells */
  get app(): string {
    this.#app ??= resolveApp(this.#appOption, this.env)
    return this.#app
  }

  /** `/v2/apps/<app>/…` of the app that is meant. */
  path(rest: string): string {
    // Who is logged in is asked first: without a login the app does not matter yet.
    void this.profile
    return `/v2/apps/${encodeURIComponent(this.app)}/${rest}`
  }

  async close(): Promise<void> {
    await this.#api?.close()
  }
}
