import type { ObjectStore } from '../../store/object-store.ts'
import { isIdentical } from '../kinds/compare.ts'
import type { Draft } from '../kinds/kind.ts'
import { KINDS } from '../kinds/registry.ts'
import { usedOf } from './quota.ts'

const TABLE = 'resourcequotas'
/** A quota of its own shows what is used a second later, as with the real controller, which comes by in its own time. */
const OWN_CHANGE_MS = 1000

/** Keeps the status of all quotas true to what their namespaces hold. @returns how to end it */
export function startQuotaStatus(store: ObjectStore): () => void {
  const timers = new Set<NodeJS.Timeout>()
  const ends = KINDS.filter(kind => kind.namespaced).map(kind => {
    const table = kind.group ? `${kind.plural}.${kind.group}` : kind.plural
    return store.subscribe(table, changes => {
      if (store.count(TABLE) === 0) return
      const namespaces = new Set(changes.map(({ revision }) => revision.object.metadata.namespace ?? ''))
      if (table !== TABLE) {
        for (const namespace of namespaces) refresh(store, namespace)
        return
      }
      const timer = setTimeout(() => {
        timers.delete(timer)
        for (const namespace of namespaces) refresh(store, namespace)
      }, OWN_CHANGE_MS)
      timer.unref()
      timers.add(timer)
    })
  })
  return () => {
    for (const end of ends) end()
    for (const timer of timers) clearTimeout(timer)
  }
}

function refresh(store: ObjectStore, namespace: string): void {
  for (const { key, object } of [...store.list(TABLE, `${namespace}/`)]) {
    const quota = object as Draft
    const hard = quota.spec?.['hard']
    if (!hard) continue
    const status = { hard, used: usedOf(store, quota) }
    if (isIdentical(quota.status, status)) continue
    store.put(TABLE, key, { ...structuredClone(quota), status })
  }
}
