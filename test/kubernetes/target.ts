import type { Api } from './api.ts'

/** An API server that the suite runs against. */
export interface Target {
  readonly api: Api
  /** Makes the server forget every version but the newest. */
  forget(): Promise<void>
  stop(): Promise<void>
}
