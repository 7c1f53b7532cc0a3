import { KubernetesError } from '../../kernel/kubernetes/api.ts'
import type { Failure } from '../domain/automatic.ts'
import { AcmeProblem } from './problem.ts'

/** Somebody else works on the record. */
export class Superseded extends Error {}

/** No authority needs to be asked: the message says why it would refuse. */
export class Unreachable extends Error {}

/** The authority is not asked for now. */
export class Postponed extends Error {
  readonly retryAfterMs: number

  constructor(message: string, retryAfterMs: number) {
    super(message)
    this.retryAfterMs = retryAfterMs
  }
}

/** What an error means for the next attempt. @throws what is no failure of an attempt, but of the cluster */
export function failureOf(error: unknown): Failure {
  if (error instanceof KubernetesError) throw error
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof Unreachable) return { message, isRefusal: false, keepsOrder: true }
  if (error instanceof Postponed) return { message, isRefusal: false, keepsOrder: true, retryAfterMs: error.retryAfterMs }
  if (!(error instanceof AcmeProblem))
    return { message: `The certificate authority was not reached: ${message}`, isRefusal: true, keepsOrder: true }
  return {
    ...{ message, isRefusal: true, keepsOrder: error.isPassing },
    ...(error.retryAfterMs !== undefined && { retryAfterMs: error.retryAfterMs }),
  }
}
