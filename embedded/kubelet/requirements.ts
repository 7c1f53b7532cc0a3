import type { Container, Pod } from 'kubernetes-types/core/v1'
import { Backoff } from '../../kernel/backoff.ts'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import type { Image } from '../images/store.ts'
import { buildEnvironment, ConfigError } from './environment.ts'
import type { Machine } from './machine.ts'
import type { PodPlace } from './pod-fields.ts'
import type { PodAddress } from './pod-network.ts'
import { readSources } from './sources.ts'

/** What the look for a container's requirements needs. */
export interface Needs {
  readonly machine: Pick<Machine, 'api' | 'images' | 'timing' | 'tell' | 'log'>
  readonly container: Container
  readonly pod: () => Stored<Pod>
  readonly place: PodPlace
  readonly address: PodAddress
  readonly signal: AbortSignal
  /** Shows why the container waits, for so long. */
  readonly wait: (reason: string, message: string, ms: number) => Promise<void>
}

/** The image's absence is shown as `ErrImagePull` for at most this long before it becomes `ImagePullBackOff`. */
const PULL_ERROR_MS = 1000

/** Waits until the store has the container's image; `undefined` when the signal fires first. */
export async function requireImage({ machine, container, pod, signal, wait }: Needs): Promise<Image | undefined> {
  const { imageBackoffMinMs: minMs, imageBackoffMaxMs: maxMs } = machine.timing
  const backoff = new Backoff({ minMs, maxMs, jitter: 0 })
  const reference = container.image ?? ''
  while (!signal.aborted) {
    const found = await machine.images.resolve(reference).catch(error => error as Error)
    if (found && !(found instanceof Error)) {
      machine.tell(pod(), 'Normal', 'Pulled', `Container image "${reference}" already present on machine`)
      return found
    }
    const waitMs = backoff.next()
    const why = found?.message ?? `"${reference}" is not in the local image store`
    if (found instanceof RangeError) {
      machine.tell(pod(), 'Warning', 'InspectFailed', `Failed to apply default image tag "${reference}": ${why}`)
      await wait('InvalidImageName', why, waitMs)
      continue
    }
    machine.tell(pod(), 'Warning', 'Failed', `Failed to pull image "${reference}": ${why}`)
    machine.tell(pod(), 'Warning', 'Failed', 'Error: ErrImagePull')
    const errorMs = Math.min(PULL_ERROR_MS, waitMs / 2)
    await wait('ErrImagePull', `failed to pull image "${reference}": ${why}`, errorMs)
    if (signal.aborted) break
    machine.tell(pod(), 'Normal', 'BackOff', `Back-off pulling image "${reference}"`)
    await wait('ImagePullBackOff', `Back-off pulling image "${reference}": ErrImagePull: ${why}`, waitMs - errorMs)
  }
  return undefined
}

/** Waits until all that the container's variables refer to is there; `undefined` when the signal fires first. */
export async function requireConfig(needs: Needs): Promise<Record<string, string> | undefined> {
  const { machine, container, pod, place, address, signal, wait } = needs
  const { retryMinMs: minMs, retryMaxMs: maxMs } = machine.timing
  const backoff = new Backoff({ minMs, maxMs, jitter: 0 })
  while (!signal.aborted) {
    try {
      const sources = readSources(machine.api, pod().metadata.namespace ?? '')
      return await buildEnvironment(pod(), container, sources, place, address.ports)
    } catch (error) {
      const { message } = error as Error
      // Other errors are the API server's or the way to it: they pass.
      if (error instanceof ConfigError) machine.tell(pod(), 'Warning', 'Failed', `Error: ${message}`)
      else machine.log.warn('container config not read', { container: container.name, error })
      await wait('CreateContainerConfigError', message, backoff.next())
    }
  }
  return undefined
}
