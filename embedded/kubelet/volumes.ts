import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import type { Container, DownwardAPIVolumeFile, KeyToPath, Pod, Volume } from 'kubernetes-types/core/v1'
import { isInside } from '../images/tree.ts'
import { StartError } from './command.ts'
import { type PodPlace, readPodField, readResourceField } from './pod-fields.ts'
import type { KeyedData, Sources } from './sources.ts'

/** A volume cannot be set up; the message is the kubelet's, for the event `FailedMount`. */
export class VolumeError extends Error {
  override readonly name = 'VolumeError'
}

/** Where images have their tree unless they say otherwise. */
const WORKING_DIR = '/app'
/** Laid on every pod by the API server. Loopback processes need no service account, so it is left out. */
const SERVICE_ACCOUNT_DIR = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * Makes the volumes of a pod as folders: emptyDir, secret, configMap, downwardAPI and projected. Contents are those of the pod's start.
 *
 * @param dir gets one folder a volume; an emptyDir that is there keeps what is in it
 * @throws {VolumeError} for a source that is not there, or a kind of volume that there is not in embedded mode
 */
export async function prepareVolumes(pod: Pod, dir: string, sources: Sources, place: PodPlace): Promise<void> {
  for (const volume of pod.spec?.volumes ?? []) {
    if (isServiceAccount(volume)) continue
    const folder = join(dir, volume.name)
    const files = await readVolume(volume, pod, sources, place)
    if (files) await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true, mode: 0o700 })
    for (const { path, content, mode } of files ?? []) await writeIn(folder, volume.name, path, content, mode)
  }
}

interface VolumeFile {
  readonly path: string
  readonly content: Buffer | string
  readonly mode: number
}

/** The files of a volume; `undefined` for an emptyDir. */
async function readVolume(volume: Volume, pod: Pod, sources: Sources, place: PodPlace): Promise<VolumeFile[] | undefined> {
  const { name, emptyDir, secret, configMap, downwardAPI, projected } = volume
  try {
    if (emptyDir) return undefined
    if (secret) return await keyFiles('secret', { ...secret, name: secret.secretName ?? '' }, sources.secret)
    if (configMap) return await keyFiles('configmap', configMap, sources.configMap)
    if (downwardAPI) return fieldFiles(downwardAPI.items ?? [], downwardAPI.defaultMode, pod, place)
    if (projected) return await projectedFiles(projected, pod, sources, place)
  } catch (error) {
    throw new VolumeError(`MountVolume.SetUp failed for volume "${name}" : ${(error as Error).message}`)
  }
  const kind = Object.keys(volume).find(key => key !== 'name') ?? 'unknown'
  throw new VolumeError(`MountVolume.SetUp failed for volume "${name}" : there are no ${kind} volumes in embedded mode`)
}

async function projectedFiles(
  { sources: parts, defaultMode = 0o644 }: NonNullable<Volume['projected']>,
  pod: Pod,
  sources: Sources,
  place: PodPlace,
): Promise<VolumeFile[]> {
  const files: VolumeFile[] = []
  for (const { secret, configMap, downwardAPI } of parts ?? []) {
    if (secret) files.push(...(await keyFiles('secret', { ...secret, defaultMode }, sources.secret)))
    if (configMap) files.push(...(await keyFiles('configmap', { ...configMap, defaultMode }, sources.configMap)))
    if (downwardAPI) files.push(...fieldFiles(downwardAPI.items ?? [], defaultMode, pod, place))
  }
  return files
}

async function keyFiles(
  kind: string,
  source: { name?: string; items?: KeyToPath[]; optional?: boolean; defaultMode?: number },
  read: (name: string) => Promise<KeyedData | undefined>,
): Promise<VolumeFile[]> {
  const { name = '', items, optional = false, defaultMode = 0o644 } = source
  const data = await read(name)
  if (!data && !optional) throw new Error(`${kind} "${name}" not found`)
  if (!items) return Object.entries(data ?? {}).map(([path, content]) => ({ path, content, mode: defaultMode }))
  return items.flatMap(({ key, path, mode = defaultMode }) => {
    const content = data?.[key]
    if (content === undefined && !optional) throw new Error(`references non-existent ${kind} key: ${key}`)
    return content === undefined ? [] : [{ path, content, mode }]
  })
}

function fieldFiles(items: readonly DownwardAPIVolumeFile[], defaultMode = 0o644, pod: Pod, place: PodPlace): VolumeFile[] {
  return items.map(({ path, fieldRef, resourceFieldRef, mode = defaultMode }) => {
    if (fieldRef) return { path, content: readPodField(fieldRef, pod, place) ?? '', mode }
    const container = pod.spec?.containers.find(({ name }) => name === resourceFieldRef?.containerName)
    if (!resourceFieldRef || !container) throw new Error(`downward API file "${path}" names no field of a container`)
    return { path, content: readResourceField(resourceFieldRef, container, place), mode }
  })
}

async function writeIn(folder: string, volume: string, path: string, content: Buffer | string, mode: number): Promise<void> {
  const file = join(folder, path)
  if (file === folder || !isInside(folder, file))
    throw new VolumeError(`MountVolume.SetUp failed for volume "${volume}" : path "${path}" leaves the volume`)
  await mkdir(dirname(file), { recursive: true, mode: 0o755 })
  await writeFile(file, content, { mode })
}

/** Where a container finds its volumes. */
export interface PlacedMounts {
  /** `DRYCC_MOUNT_<VOLUME>` for each mount: the volume's folder. */
  readonly variables: Readonly<Record<string, string>>
}

/**
 * Lays a container's mounts. Its processes share the host's file system, so only what is mounted below the image's working directory can be
 * put there: as a link in the container's private copy of the tree. A mount elsewhere is taken when the container shows that it finds the
 * folder by `DRYCC_MOUNT_<VOLUME>`, by having a variable of that name in its `env`; else it is refused.
 *
 * @param root the container's private copy of the image's tree
 * @throws {StartError} for a mount that cannot be laid
 */
export async function placeMounts(
  container: Container,
  volumesDir: string,
  root: string,
  workingDir: string | undefined,
): Promise<PlacedMounts> {
  const variables: Record<string, string> = {}
  for (const { name, mountPath, subPath } of container.volumeMounts ?? []) {
    if (mountPath === SERVICE_ACCOUNT_DIR) continue
    const volume = join(volumesDir, name)
    const target = join(volume, subPath ?? '')
    if (!isInside(volume, target)) throw new StartError(`subPath "${subPath}" of volume "${name}" leaves the volume`)
    if (subPath) await mkdir(target, { recursive: true, mode: 0o755 }).catch(() => {})
    const variable = `DRYCC_MOUNT_${name.toUpperCase().replaceAll('-', '_')}`
    variables[variable] = target
    const path = pathInTree(mountPath, workingDir)
    if (path !== undefined) {
      await rm(join(root, path), { recursive: true, force: true })
      await mkdir(dirname(join(root, path)), { recursive: true })
      await symlink(target, join(root, path))
    } else if (!container.env?.some(entry => entry.name === variable))
      throw new StartError(
        `volume "${name}" cannot be mounted at ${mountPath}: embedded mode mounts below ${workingDir || WORKING_DIR} only; ` +
          `set the variable ${variable} in the container to take the folder from there`,
      )
  }
  return { variables }
}

/**
 * The place of a path of the container within its private copy of the tree; `undefined` for one outside.
 *
 * @param workingDir that of the image, where the tree would lie
 */
export function pathInTree(path: string, workingDir: string | undefined): string | undefined {
  const base = posix.resolve('/', workingDir || WORKING_DIR)
  const way = posix.relative(base, posix.resolve(base, path))
  return way === '..' || way.startsWith('../') ? undefined : way
}

function isServiceAccount(volume: Volume): boolean {
  return volume.projected?.sources?.some(source => source.serviceAccountToken) ?? false
}
