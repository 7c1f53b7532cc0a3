import type { ObjectStore } from '../store/object-store.ts'
import { type DeleteRequest, deleteObject } from './delete.ts'
import type { Target } from './http-request.ts'
import type { Parsed } from './read-object.ts'
import type { Json } from './schema/decode.ts'
import { badRequest } from './status.ts'
import { readStored, type WriteOptions } from './write.ts'

/** Deletes a pod on behalf of who empties its node: `POST pods/NAME/eviction`. There are no disruption budgets to stand in its way. */
export function evictPod(store: ObjectStore, { kind, namespace, name }: Target, { value }: Parsed, options: WriteOptions): void {
  const { metadata = {}, deleteOptions = {} } = (value ?? {}) as { metadata?: Json; deleteOptions?: DeleteRequest & { dryRun?: string[] } }
  if (metadata['name'] && metadata['name'] !== name) throw badRequest('name in URL does not match name in Eviction object')
  deleteObject(store, kind, readStored(store, kind, namespace, name), deleteOptions, {
    ...options,
    dryRun: options.dryRun || (deleteOptions.dryRun ?? []).includes('All'),
  })
}
