import { type Json, setKey } from '../schema/decode.ts'
import type { Shape } from '../schema/schema.ts'
import { shapeIn, structureOf } from './structure.ts'

/** Lays what is applied over what stands: structs and maps by name, lists by their keys, everything else whole (`mergingWalker`). */
export function mergeFields(shape: Shape, live: unknown, applied: unknown): unknown {
  if (applied === undefined) return live
  const structure = structureOf(shape)
  if (structure.kind === 'leaf' || live === undefined || live === null || applied === null) return applied
  if (structure.kind === 'list') return mergeLists(structure.of, structure.elementOf, live as unknown[], applied as unknown[])
  const merged: Json = { ...(live as Json) }
  for (const [name, value] of Object.entries(applied as Json)) {
    const inner = structure.kind === 'map' ? structure.of : shapeIn(structure.fields, name)
    setKey(merged, name, mergeFields(inner, Object.hasOwn(merged, name) ? merged[name] : undefined, value))
  }
  return merged
}

/**
 * Merges two keyed lists: what both have stands in the order of the applied one, what only the live one has keeps its place among its
 * neighbours, and new elements come where the applied list has them.
 */
function mergeLists(of: Shape, elementOf: (value: unknown) => string, live: readonly unknown[], applied: readonly unknown[]): unknown[] {
  const leftNames = live.map(elementOf)
  const rightNames = applied.map(elementOf)
  const left = new Map(live.map((value, index) => [leftNames[index]!, value]))
  const right = new Map(applied.map((value, index) => [rightNames[index]!, value]))
  const shared = rightNames.filter(name => left.has(name))
  const done = new Set<string>()
  const result: unknown[] = []
  const take = (name: string) => {
    done.add(name)
    result.push(mergeFields(of, left.get(name), right.get(name)))
    if (shared[0] === name) shared.shift()
  }
  let l = 0
  let r = 0
  while (l < leftNames.length || r < rightNames.length) {
    const name = leftNames[l]
    if (name !== undefined && r < rightNames.length) {
      if (name === rightNames[r]) {
        take(name)
        l++
        r++
        continue
      }
      // Shared, but the applied list wants another one first.
      if (right.has(name) && shared.length > 0 && shared[0] !== name) {
        l++
        continue
      }
    }
    if (name !== undefined) {
      if (!right.has(name)) {
        result.push(live[l])
        l++
        continue
      }
      if (done.has(name)) l++
    }
    if (r < rightNames.length) take(rightNames[r++]!)
  }
  return result
}
