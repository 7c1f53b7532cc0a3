import { type FieldError, forbiddenField, invalidValue } from '../../field-error.ts'
import type { Json } from '../../schema/decode.ts'
import { isSame } from '../compare.ts'
import type { Draft } from '../kind.ts'

const MESSAGE =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'

/** What may change on a pod that stands: images, a shorter deadline, more tolerations (`ValidatePodUpdate`). */
export function validatePodUpdate(next: Draft, previous: Draft): FieldError[] {
  const spec = next.spec ?? {}
  const old = previous.spec ?? {}
  const errors: FieldError[] = []
  for (const field of ['containers', 'initContainers']) {
    if (list(spec[field]).length !== list(old[field]).length) {
      return [forbiddenField(`spec.${field}`, 'pod updates may not add or remove containers')]
    }
  }
  const deadline = spec['activeDeadlineSeconds'] as number | undefined
  const oldDeadline = old['activeDeadlineSeconds'] as number | undefined
  if (oldDeadline !== undefined && deadline === undefined) {
    errors.push(invalidValue('spec.activeDeadlineSeconds', undefined, 'must not update from a positive integer to nil value'))
  } else if (oldDeadline !== undefined && deadline !== undefined && oldDeadline < deadline) {
    errors.push(invalidValue('spec.activeDeadlineSeconds', deadline, 'must be less than or equal to previous value'))
  }
  const tolerations = list(spec['tolerations'])
  if (!list(old['tolerations']).every(toleration => tolerations.some(each => isSame(each, toleration)))) {
    errors.push(forbiddenField('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds'))
  }
  const { activeDeadlineSeconds: _, tolerations: __, ...rest } = spec
  const { activeDeadlineSeconds: ___, tolerations: ____, ...oldRest } = old
  if (!isSame(withoutImages(rest), withoutImages(oldRest))) errors.push(forbiddenField('spec', MESSAGE))
  return errors
}

function withoutImages(spec: Json): Json {
  const strip = (containers: unknown) => list(containers).map(({ image: _, ...container }) => container)
  return { ...spec, containers: strip(spec['containers']), initContainers: strip(spec['initContainers']) }
}

function list(value: unknown): Json[] {
  return Array.isArray(value) ? (value as Json[]) : []
}
