import { isStatus, type KubernetesApi } from '../../kernel/kubernetes/api.ts'
import type { KubernetesObject, Resource, Stored } from '../../kernel/kubernetes/objects.ts'

const ATTEMPTS_MAX = 10

/**
 * Makes an object so, whether it stands or not, and whoever else writes to it meanwhile.
 *
 * @param build is shown what stands, if anything, and returns what shall; `undefined` leaves it
 * @returns what stands in the end, or `undefined` where nothing did and nothing shall
 */
export async function put<T extends KubernetesObject>(
  api: KubernetesApi,
  resource: Resource<T>,
  namespace: string,
  name: string,
  build: (standing: Stored<T> | undefined) => T | undefined,
): Promise<Stored<T> | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      const standing = await api.get(resource, namespace, name).catch(absent)
      const wanted = build(standing && structuredClone(standing))
      if (!wanted) return standing
      return standing ? await api.update(resource, wanted) : await api.create(resource, wanted)
    } catch (error) {
      // Created or changed by somebody else in between: look again.
      if (!isStatus(error, 409) || attempt === ATTEMPTS_MAX) throw error
    }
  }
}

function absent(error: unknown): undefined {
  if (!isStatus(error, 404)) throw error
}
