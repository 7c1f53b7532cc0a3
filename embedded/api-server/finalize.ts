import type { ObjectStore } from '../store/object-store.ts'
import type { Draft } from './kinds/kind.ts'
import { namespace } from './kinds/namespace.ts'
import { conflict, STALE } from './status.ts'
import { commitUpdate, readStored, type WriteOptions } from './write.ts'

/** Sets a namespace's spec finalizers: `PUT namespaces/NAME/finalize`. Without any left a terminating namespace goes. */
export function finalizeNamespace(store: ObjectStore, name: string, draft: Draft, options: WriteOptions): Draft {
  const revision = readStored(store, namespace, '', name)
  const current = revision.object as Draft
  const { resourceVersion } = draft.metadata
  if (resourceVersion && resourceVersion !== current.metadata.resourceVersion) throw conflict(namespace, name, STALE)
  const next = structuredClone(current)
  const finalizers = draft.spec?.['finalizers']
  next.spec = finalizers ? { ...next.spec, finalizers } : {}
  return commitUpdate(store, namespace, revision, next, options.dryRun)
}
