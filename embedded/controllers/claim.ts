import { isStatus } from '../../kernel/kubernetes/api.ts'
import { controllerReference, type KubernetesObject, type Resource, type Stored } from '../../kernel/kubernetes/objects.ts'
import { controllerUid, type View } from './view.ts'

/**
 * Finds what an owner controls: keeps what it owns and selects, takes in orphans that it selects, lets go what it owns and no longer selects.
 *
 * @param options.selects the owner's selector
 * @param options.owners where the owner is read again, past the view, before the first orphan is taken in: one that was deleted takes none
 */
export async function claim<O extends KubernetesObject, T extends KubernetesObject>(options: {
  ownerResource: Resource<O>
  owner: Stored<O>
  owners: View<O>
  candidates: View<T>
  selects(object: Stored<T>): boolean
}): Promise<Stored<T>[]> {
  const { owner, candidates, selects } = options
  const { uid, namespace = '', deletionTimestamp } = owner.metadata
  const claimed: Stored<T>[] = []
  let mayAdopt: boolean | undefined
  for (const object of candidates.inNamespace(namespace)) {
    const controller = controllerUid(object)
    if (controller === uid) {
      if (selects(object)) claimed.push(object)
      else if (!deletionTimestamp) await release(candidates, object, uid)
    } else if (controller === undefined && !deletionTimestamp && !object.metadata.deletionTimestamp && selects(object)) {
      mayAdopt ??= await isAlive(options.owners, owner)
      const adopted = mayAdopt ? await adopt(candidates, object, options.ownerResource, owner) : undefined
      if (adopted) claimed.push(adopted)
    }
  }
  return claimed
}

async function isAlive<O extends KubernetesObject>(owners: View<O>, owner: Stored<O>): Promise<boolean> {
  const { namespace = '', name, uid } = owner.metadata
  const fresh = await owners.live(namespace, name)
  return fresh?.metadata.uid === uid && fresh.metadata.deletionTimestamp === undefined
}

/** @returns `undefined` when the object has gone */
async function adopt<T extends KubernetesObject>(view: View<T>, object: Stored<T>, resource: Resource, owner: Stored) {
  const ownerReferences = [...(object.metadata.ownerReferences ?? []), controllerReference(resource, owner)]
  return patchOwners(view, object, ownerReferences)
}

async function release<T extends KubernetesObject>(view: View<T>, object: Stored<T>, ownerUid: string): Promise<void> {
  const ownerReferences = (object.metadata.ownerReferences ?? []).filter(owner => owner.uid !== ownerUid)
  await patchOwners(view, object, ownerReferences)
}

/** The version makes two controllers that reach for one orphan meet: the second gets 409. */
async function patchOwners<T extends KubernetesObject>(view: View<T>, object: Stored<T>, ownerReferences: unknown[]) {
  const { uid, resourceVersion } = object.metadata
  try {
    return await view.patch(object, { type: 'merge', body: { metadata: { uid, resourceVersion, ownerReferences } } })
  } catch (error) {
    if (isStatus(error, 404)) return undefined
    throw error
  }
}
