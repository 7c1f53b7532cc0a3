import type { ConfigMap } from 'kubernetes-types/core/v1'
import { HERITAGE, LABELS } from '../../kernel/contract.ts'
import { hashName } from '../../kernel/kubernetes/names.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { isTaken, RECORD_LABEL, type RecordKind, type RecordTable } from './record-table.ts'

/** A name that exists once on the platform beside the object that bears it: a key's id, the first administrator. */
export interface Claim {
  readonly kind: string
  readonly text: string
  /** Whose the name is: what the object that bears it is known by. */
  readonly holder: string
  readonly created: string
}

/** A claim is a ConfigMap of the platform's namespace, named after a hash of kind and text: creating it claims the text. */
export const claimKind: RecordKind<ConfigMap, Claim> = {
  kind: 'claim',
  resource: RESOURCES.configMaps,
  parse: map => JSON.parse(map.data?.['claim'] ?? '') as Claim,
}

// A holder that died between the claim and its object has had this long to make it.
const STALE_AFTER_MS = 30_000

/** Names that only one holder may have. */
export class Claims {
  readonly #table: RecordTable<ConfigMap, Claim>
  readonly #namespace: string

  constructor(table: RecordTable<ConfigMap, Claim>, namespace: string) {
    this.#table = table
    this.#namespace = namespace
  }

  /**
   * Takes a name.
   *
   * @param isHeld whether the holder of an old claim still has what the name stands for; a claim without it is taken over
   * @returns false when somebody has it
   */
  async take(kind: string, text: string, holder: string, isHeld: (holder: string) => boolean): Promise<boolean> {
    const name = hashName(`claim-${kind}`, text)
    const claim: Claim = { kind, text, holder, created: new Date().toISOString() }
    try {
      await this.#table.create({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name, namespace: this.#namespace, labels: { [RECORD_LABEL]: 'claim', [LABELS.heritage]: HERITAGE } },
        data: { claim: JSON.stringify(claim) },
      })
      return true
    } catch (error) {
      if (!isTaken(error)) throw error
    }
    const standing = await this.#table.modify(this.#namespace, name, (current, object) => {
      const isStale = Date.now() - Date.parse(current.created) > STALE_AFTER_MS
      if (isHeld(current.holder) || !isStale) return undefined
      return { ...object, data: { claim: JSON.stringify(claim) } }
    })
    return standing.holder === holder
  }

  release(kind: string, text: string): Promise<void> {
    return this.#table.remove(this.#namespace, hashName(`claim-${kind}`, text))
  }
}
