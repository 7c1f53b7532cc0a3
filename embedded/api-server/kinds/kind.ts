import type { Resource } from '../../../kernel/kubernetes/objects.ts'
import type { StoredObject } from '../../store/object-store.ts'
import type { FieldError } from '../field-error.ts'
import type { Json } from '../schema/decode.ts'

/** An object on its way through the server. */
export type Draft = StoredObject & { spec?: Json; status?: Json }

export interface Column {
  readonly name: string
  readonly type: 'string' | 'integer' | 'boolean'
  readonly format?: 'name'
  /** Shown by `kubectl get -o wide` only. */
  readonly wide?: true
  readonly description: string
}

/** What the server must know of one kind; everything else is common to all. */
export interface Kind extends Resource {
  readonly singular: string
  readonly shortNames: readonly string[]
  readonly categories?: readonly string[]
  /** `io.k8s.api.core.v1.Pod` */
  readonly type: string
  readonly status: boolean
  readonly scale: boolean
  /** May a PUT create the object. */
  readonly createOnUpdate?: boolean
  /** Must a PUT carry a resourceVersion. */
  readonly versionRequired?: boolean
  readonly deleteCollection: boolean
  /** A delete answers with the object that was, not with a Status. */
  readonly returnsDeleted?: boolean
  /** The propagation policy when the delete names none. */
  readonly orphansByDefault?: boolean
  /** What a wrong name is refused with. @param prefix it is a generateName */
  readonly nameFaults: (name: string, prefix: boolean) => string[]
  /** Fills what the client left out. Runs on every read of client input, patches too. */
  readonly defaults?: (object: Draft) => void
  /** Takes out what a client may not set, and sets what the server sets. */
  readonly prepareCreate?: (object: Draft) => void
  /** Why the cluster's admission refuses the object (403), if it does. */
  readonly admit?: (object: Draft) => string | undefined
  readonly prepareUpdate?: (next: Draft, previous: Draft) => void
  readonly prepareStatus?: (next: Draft, previous: Draft) => void
  readonly validate?: (object: Draft) => FieldError[]
  /** Gives the object what the cluster has one of each only: addresses and ports. Runs after validation, last before the write. */
  readonly allocate?: (next: Draft, previous: Draft | undefined, taken: () => Iterable<Draft>) => FieldError[]
  /** On top of `validate`, for new objects. */
  readonly validateCreate?: (object: Draft) => FieldError[]
  /** On top of `validate`, which runs on updates too. */
  /** What may not change is told before what is wrong anyway. */
  readonly changesFirst?: boolean
  readonly validateUpdate?: (next: Draft, previous: Draft) => FieldError[]
  readonly validateStatus?: (next: Draft, previous: Draft) => FieldError[]
  /** Deprecated or odd use, told in Warning headers. */
  readonly warnings?: (object: Draft) => string[]
  /** The same for the kind as a whole: told even where the object is refused. */
  readonly deprecation?: string
  /** Values for field selectors besides metadata.name and metadata.namespace. */
  readonly selectableFields?: (object: Draft) => Record<string, string>
  /** Which change gives the object a new generation: of `spec`, of `spec` or annotations, of anything; `false` for kinds that have none. */
  readonly generation: false | 'spec' | 'spec and annotations' | 'all'
  readonly columns: readonly Column[]
  readonly cells: (object: Draft, nowMs: number) => (string | number | boolean)[]
  /** Conditions shown with a row. */
  readonly rowConditions?: (object: Draft) => { type: string; status: string; reason?: string; message?: string }[]
}
