import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Container, Pod } from 'kubernetes-types/core/v1'
import { parseQuantity } from '../../kernel/units.ts'
import { copyTree } from '../images/copy-tree.ts'
import type { Image } from '../images/store.ts'
import { buildCommand, findExecutable, StartError } from './command.ts'
import type { PodPlace } from './pod-fields.ts'
import { pathInTree, placeMounts } from './volumes.ts'

/** Everything that a run of a container needs, ready to be started. */
export interface Launch {
  readonly argv: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

export interface LaunchOptions {
  readonly pod: Pod
  readonly container: Container
  readonly image: Image
  /** Those of the pod's spec. */
  readonly variables: Readonly<Record<string, string>>
  readonly place: PodPlace
  /** False on loopback, where pods share all addresses. */
  readonly hasOwnAddress: boolean
  /** What every process gets: `PATH`, `LANG`. */
  readonly environment: Readonly<Record<string, string>>
  /** Is made, and holds the run's private copy of the tree. */
  readonly folder: string
  readonly volumesDir: string
  readonly signal: AbortSignal
}

/**
 * Lays out the folder of a run and settles its command and environment.
 *
 * @throws {StartError} when the spec asks for what cannot be had
 */
export async function prepareLaunch(options: LaunchOptions): Promise<Launch> {
  const { pod, container, image, variables, folder } = options
  const root = join(folder, 'root')
  const tmp = join(folder, 'tmp')
  await mkdir(tmp, { recursive: true, mode: 0o700 })
  await copyTree(image.root, root, options.signal)
  const mounts = await placeMounts(container, options.volumesDir, root, image.config.workingDir)
  const env: Record<string, string> = {
    ...options.environment,
    HOME: root,
    TMPDIR: tmp,
    HOSTNAME: pod.spec?.hostname ?? pod.metadata?.name ?? '',
    DRYCC_ROOT: root,
    // Pods with addresses of their own must bind those, for all addresses are the same machine's.
    ...(options.hasOwnAddress ? { HOST: options.place.podIp } : {}),
    ...imageVariables(image, root),
    ...variables,
    ...mounts.variables,
  }
  const cwd = workingFolder(container, image, root)
  const [name = '', ...rest] = buildCommand(container, image.config, variables)
  const path = env['PATH'] ?? ''
  const executable = findExecutable(name, cwd, path)
  const steps = niceSteps(container)
  const nice = steps > 0 ? [findExecutable('nice', cwd, options.environment['PATH'] ?? path), '-n', String(steps)] : []
  return { argv: [...nice, executable, ...rest], cwd, env }
}

function imageVariables({ config }: Image, root: string): Record<string, string> {
  return Object.fromEntries(Object.entries(config.env ?? {}).map(([name, value]) => [name, value.replaceAll('$(DRYCC_ROOT)', root)]))
}

function workingFolder({ workingDir }: Container, { config }: Image, root: string): string {
  if (!workingDir) return root
  const path = pathInTree(workingDir, config.workingDir)
  if (path === undefined) throw new StartError(`workingDir ${workingDir} is not in the image: it lies at ${config.workingDir || '/app'}`)
  return join(root, path)
}

/**
 * A share of the processor cannot be set without cgroups; a container that may use less than one gives way to others, the more the less it
 * may use: by 1 to 10 steps of `nice`.
 */
function niceSteps({ resources }: Container): number {
  const limit = resources?.limits?.['cpu']
  const cores = limit === undefined ? 1 : parseQuantity(limit)
  return cores >= 1 ? 0 : Math.max(1, Math.round(10 * (1 - cores)))
}
