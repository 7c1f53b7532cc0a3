import type { Json } from './schema/decode.ts'

/** Questions that a client asks about itself; nothing of them is kept. */
export const REVIEWS = [
  { group: 'authorization.k8s.io', kind: 'SelfSubjectAccessReview', plural: 'selfsubjectaccessreviews' },
  { group: 'authentication.k8s.io', kind: 'SelfSubjectReview', plural: 'selfsubjectreviews' },
] as const

/** Answers `POST /apis/<group>/v1/<plural>`. There is one user, who may do everything. */
export function answerReview(path: string, body: Json): Json | undefined {
  const review = REVIEWS.find(({ group, plural }) => path === `/apis/${group}/v1/${plural}`)
  if (!review) return undefined
  const head = { kind: review.kind, apiVersion: `${review.group}/v1`, metadata: {} }
  if (review.kind === 'SelfSubjectReview') {
    return { ...head, status: { userInfo: { username: 'admin', groups: ['system:masters', 'system:authenticated'] } } }
  }
  return { ...head, spec: body['spec'] ?? {}, status: { allowed: true } }
}
