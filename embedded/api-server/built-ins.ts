import type { ObjectStore } from '../store/object-store.ts'
import { namespace } from './kinds/namespace.ts'
import { readObject } from './read-object.ts'
import { createObject, tableOf } from './write.ts'

const NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease']

/** Makes the namespaces that every cluster has. */
export function ensureBuiltIns(store: ObjectStore): void {
  for (const name of NAMESPACES) {
    if (store.get(tableOf(namespace), name)) continue
    const draft = readObject(namespace, { value: { metadata: { name } }, duplicates: [] }, 'Ignore', () => {})
    createObject(store, namespace, '', draft, { dryRun: false, manager: 'kube-apiserver', warn: () => {} })
  }
}
