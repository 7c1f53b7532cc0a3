import type { ObjectStore } from '../store/object-store.ts'
import type { Target } from './http-request.ts'
import type { Draft } from './kinds/kind.ts'
import type { Parsed } from './read-object.ts'
import type { Json } from './schema/decode.ts'
import { ApiError, badRequest, conflict } from './status.ts'
import { commitUpdate, now, readStored, type WriteOptions } from './write.ts'

/** Assigns a pod to a node, once: `POST pods/NAME/binding`. @throws {ApiError} 409 when it has a node already */
export function bindPod(store: ObjectStore, { kind, namespace, name }: Target, { value }: Parsed, options: WriteOptions): void {
  const { metadata = {}, target = {} } = (value ?? {}) as { metadata?: Json; target?: Json }
  if (metadata['name'] && metadata['name'] !== name) {
    throw badRequest(`name in URL does not match name in Binding object`)
  }
  const node = String(target['name'] ?? '')
  // 500, as the real server, which has no status for these of its own.
  if (target['kind'] && target['kind'] !== 'Node') {
    const text = `target.kind: Unsupported value: ${JSON.stringify(target['kind'])}: supported values: "Node", "<empty>"`
    throw new ApiError(500, '', text)
  }
  if (!node) throw new ApiError(500, '', 'target.name: Required value')
  const revision = readStored(store, kind, namespace, name)
  const current = revision.object as Draft
  if (current.metadata.deletionTimestamp)
    throw conflict({ ...kind, plural: 'pods/binding' }, name, `pod ${name} is being deleted, cannot be assigned to a host`)
  const assigned = current.spec?.['nodeName']
  if (assigned)
    throw conflict({ ...kind, plural: 'pods/binding' }, name, `pod ${name} is already assigned to node ${JSON.stringify(assigned)}`)
  const next = structuredClone(current)
  next.spec = { ...next.spec, nodeName: node }
  const annotations = metadata['annotations'] as Record<string, string> | undefined
  if (annotations) next.metadata.annotations = { ...next.metadata.annotations, ...annotations }
  const conditions = ((next.status?.['conditions'] ?? []) as Json[]).filter(({ type }) => type !== 'PodScheduled')
  const scheduled = { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: now() }
  next.status = { ...next.status, conditions: [...conditions, scheduled] }
  commitUpdate(store, kind, revision, next, options.dryRun)
}
