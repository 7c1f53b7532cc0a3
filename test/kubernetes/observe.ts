import assert from 'node:assert/strict'
import type { Api, Json } from './api.ts'

/** Longer than any controller takes on a busy machine, so that only a state that never comes runs into it. */
const STATE_WAIT_MS = 90_000

/**
 * Waits on a watch until the objects of a collection are as they should be.
 *
 * @param settled gets the collection's objects by name; throws or says nothing true while they are not there yet
 * @returns the objects, in the order of their names
 * @throws what `settled` threw last, when the state does not come
 */
export async function observe(api: Api, collection: string, settled: (objects: Json[]) => unknown, labelSelector = ''): Promise<Json[]> {
  const query = labelSelector ? { labelSelector } : {}
  const { items, metadata } = await api.must('GET', collection, undefined, query)
  const objects = new Map<string, Json>(items.map((item: Json) => [item.metadata.name, item]))
  const watch = await api.watch(collection, { ...query, resourceVersion: metadata.resourceVersion })
  const deadline = setTimeout(() => watch.close(), STATE_WAIT_MS)
  let fault: unknown
  try {
    for (;;) {
      const sorted = [...objects.values()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
      try {
        if (settled(sorted)) return sorted
        fault = undefined
      } catch (error) {
        fault = error
      }
      const event = await watch.next().catch(error => {
        throw fault ?? error
      })
      assert.notEqual(event.type, 'ERROR', JSON.stringify(event.object))
      if (event.type === 'DELETED') objects.delete(event.object.metadata.name)
      else objects.set(event.object.metadata.name, event.object)
    }
  } finally {
    clearTimeout(deadline)
    watch.close()
  }
}

/** Waits until one object is as it should be, and returns it. */
export async function observeOne(api: Api, collection: string, name: string, settled: (object: Json) => unknown): Promise<Json> {
  const find = (objects: Json[]) => objects.find(each => each.metadata.name === name)
  const objects = await observe(api, collection, all => {
    const found = find(all)
    assert.ok(found, `${name} is not there`)
    return settled(found)
  })
  return find(objects)
}

/** Waits until an object has gone. */
export async function observeGone(api: Api, collection: string, name: string): Promise<void> {
  await observe(api, collection, objects => objects.every(each => each.metadata.name !== name))
}

/** The status of a condition, or `undefined` while there is none of that type. */
export function condition(object: Json, type: string): Json {
  return object.status?.conditions?.find((each: Json) => each.type === type)
}

/** True when a Deployment's controller has brought about what its spec says: what `kubectl rollout status` waits for. */
export function isRolledOut(deployment: Json): boolean {
  const { spec, status, metadata } = deployment
  return (
    (status.observedGeneration ?? 0) >= metadata.generation &&
    (status.updatedReplicas ?? 0) === spec.replicas &&
    (status.replicas ?? 0) === spec.replicas &&
    (status.availableReplicas ?? 0) === spec.replicas
  )
}
