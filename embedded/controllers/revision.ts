import { isDeepStrictEqual } from 'node:util'
import type { Deployment, ReplicaSet } from 'kubernetes-types/apps/v1'
import type { PodTemplateSpec } from 'kubernetes-types/core/v1'
import { controllerReference, RESOURCES, type Stored } from '../../kernel/kubernetes/objects.ts'

export const HASH_LABEL = 'pod-template-hash'
export const REVISION_ANNOTATION = 'deployment.kubernetes.io/revision'
/** How many pods the Deployment wanted when the set was last sized. */
export const DESIRED_ANNOTATION = 'deployment.kubernetes.io/desired-replicas'
/** The same plus the surge. */
export const MAX_ANNOTATION = 'deployment.kubernetes.io/max-replicas'
const HISTORY_ANNOTATION = 'deployment.kubernetes.io/revision-history'
const HISTORY_BYTES_MAX = 2000

/** Annotations of a Deployment that say something of it alone. */
const OWN_ANNOTATIONS = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  REVISION_ANNOTATION,
  HISTORY_ANNOTATION,
  DESIRED_ANNOTATION,
  MAX_ANNOTATION,
  'deprecated.deployment.rollback.to',
])

/** The letters and digits of generated names: no vowels, so no words, and nothing that looks like something else. */
const NAME_LETTERS = 'bcdfghjklmnpqrstvwxz2456789'

/** Finds the set whose template is the Deployment's, whatever its hash says; the oldest, should there be two. */
export function findNewSet(deployment: Stored<Deployment>, setsByAge: readonly Stored<ReplicaSet>[]): Stored<ReplicaSet> | undefined {
  const wanted = comparable(deployment.spec?.template)
  return setsByAge.find(set => isDeepStrictEqual(comparable(set.spec?.template), wanted))
}

/** Builds the set of the Deployment's present template, with no pods yet. */
export function buildNewSet(deployment: Stored<Deployment>, revision: number): ReplicaSet {
  const { name, namespace } = deployment.metadata
  const { template, selector, minReadySeconds } = deployment.spec!
  const hash = templateHash(template, deployment.status?.collisionCount ?? 0)
  const labels = { ...template.metadata?.labels, [HASH_LABEL]: hash }
  return {
    metadata: {
      name: `${name}-${hash}`,
      namespace: namespace!,
      labels,
      annotations: { ...sharedAnnotations(deployment), [REVISION_ANNOTATION]: String(revision) },
      ownerReferences: [controllerReference(RESOURCES.deployments, deployment)],
    },
    spec: {
      replicas: 0,
      ...(minReadySeconds ? { minReadySeconds } : {}),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [HASH_LABEL]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  }
}

/** The highest revision among sets; 0 when there is none. */
export function maxRevision(sets: readonly ReplicaSet[]): number {
  return Math.max(0, ...sets.map(revisionOf))
}

export function revisionOf(object: Deployment | ReplicaSet): number {
  return Number(object.metadata?.annotations?.[REVISION_ANNOTATION]) || 0
}

/**
 * What must change on the set of the present template: annotations of the Deployment that it lacks, a revision above all others' (that of a
 * set that was gone back to rises, and its former one is kept in the history).
 *
 * @returns only the annotations that differ
 */
export function annotationChanges(deployment: Deployment, set: ReplicaSet, revision: number): Record<string, string> {
  const standing = set.metadata?.annotations ?? {}
  const changes = Object.fromEntries(Object.entries(sharedAnnotations(deployment)).filter(([name, value]) => standing[name] !== value))
  const former = revisionOf(set)
  if (former >= revision) return changes
  changes[REVISION_ANNOTATION] = String(revision)
  if (former > 0) changes[HISTORY_ANNOTATION] = appendRevision(standing[HISTORY_ANNOTATION], former)
  return changes
}

/** The oldest entries go when the list grows too long. */
function appendRevision(history: string | undefined, revision: number): string {
  const revisions = [...(history ? history.split(',') : []), String(revision)]
  while (revisions.join(',').length > HISTORY_BYTES_MAX) revisions.shift()
  return revisions.join(',')
}

function sharedAnnotations(deployment: Deployment): Record<string, string> {
  return Object.fromEntries(Object.entries(deployment.metadata?.annotations ?? {}).filter(([name]) => !OWN_ANNOTATIONS.has(name)))
}

/** @internal FNV-1a over the template in a canonical form, written in the letters of generated names */
export function templateHash(template: PodTemplateSpec, collisionCount: number): string {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(`${canonical(template)}${collisionCount || ''}`)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return Array.from(String(hash), digit => NAME_LETTERS[digit.charCodeAt(0) % NAME_LETTERS.length]).join('')
}

function comparable(template: PodTemplateSpec | undefined): unknown {
  const { [HASH_LABEL]: _, ...labels } = template?.metadata?.labels ?? {}
  return JSON.parse(canonical({ ...template, metadata: { ...template?.metadata, labels } }))
}

/** Keys in order, without what the API server takes for absent: null and empty lists. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (part === null || (Array.isArray(part) && part.length === 0)) return undefined
    if (typeof part !== 'object' || Array.isArray(part)) return part
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}
