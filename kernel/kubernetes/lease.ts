import type { Lease } from 'kubernetes-types/coordination/v1'
import { delay } from '../backoff.ts'
import type { Log } from '../log.ts'
import { find, isStatus, type KubernetesApi } from './api.ts'
import { RESOURCES, type Stored } from './objects.ts'

export interface LeaseOptions {
  readonly namespace: string
  readonly name: string
  /** Who holds it: a pod's name; unlike any other holder's. */
  readonly identity: string
  readonly log: Log
  readonly signal: AbortSignal
  /** How long a silent holder keeps it. 15 s by default. */
  readonly durationMs?: number
}

/**
 * Runs work only while a Lease is held, so that of many replicas one does it. Waits for the Lease, renews it at a third of its duration,
 * tells the work through its signal when it is lost, and competes again. Returns when the options' signal fires, the Lease given back.
 *
 * Times of other machines are not trusted: another's Lease has run out when it was not seen to change for its duration.
 *
 * @see https://kubernetes.io/docs/concepts/architecture/leases/
 */
export async function withLease(api: KubernetesApi, options: LeaseOptions, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const { signal, log } = options
  const durationMs = options.durationMs ?? 15_000
  const seen = { version: '', at: 0 }
  while (!signal.aborted) {
    if (await acquire(api, options, durationMs, seen)) {
      log.info('lease acquired', { lease: options.name })
      await hold(api, options, durationMs, work)
      log.info('lease released', { lease: options.name })
    }
    await delay(durationMs / 3, signal)
  }
}

async function acquire(
  api: KubernetesApi,
  options: LeaseOptions,
  durationMs: number,
  seen: { version: string; at: number },
): Promise<boolean> {
  try {
    const lease = await find(api, RESOURCES.leases, options.namespace, options.name)
    if (!lease) return await write(api, options, durationMs)
    if (lease.metadata.resourceVersion !== seen.version)
      Object.assign(seen, { version: lease.metadata.resourceVersion, at: performance.now() })
    const { holderIdentity: holder, leaseDurationSeconds = durationMs / 1000 } = lease.spec ?? {}
    const isFree = !holder || holder === options.identity || performance.now() - seen.at > leaseDurationSeconds * 1000
    return isFree && (await write(api, options, durationMs, lease))
  } catch (error) {
    options.log.warn('lease not reached', { lease: options.name, error: (error as Error).message })
    return false
  }
}

async function hold(
  api: KubernetesApi,
  options: LeaseOptions,
  durationMs: number,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const lost = new AbortController()
  const held = AbortSignal.any([options.signal, lost.signal])
  const working = work(held)
    .catch(error => {
      if (!held.aborted) options.log.error('work under lease failed', { lease: options.name, error })
    })
    .finally(() => lost.abort())
  let renewedAt = performance.now()
  while (!held.aborted) {
    await delay(durationMs / 3, held)
    if (held.aborted) break
    const isRenewed = await renew(api, options, durationMs)
    if (isRenewed) renewedAt = performance.now()
    if (isRenewed === false || performance.now() - renewedAt > durationMs) lost.abort()
  }
  await working
  await giveBack(api, options)
}

/** @returns false when it is another's, `undefined` when the API server could not be asked */
async function renew(api: KubernetesApi, options: LeaseOptions, durationMs: number): Promise<boolean | undefined> {
  try {
    const lease = await find(api, RESOURCES.leases, options.namespace, options.name)
    return lease?.spec?.holderIdentity === options.identity && (await write(api, options, durationMs, lease))
  } catch (error) {
    options.log.warn('lease not renewed', { lease: options.name, error: (error as Error).message })
    return undefined
  }
}

/** @returns false when another writer was faster */
async function write(api: KubernetesApi, options: LeaseOptions, durationMs: number, lease?: Stored<Lease>): Promise<boolean> {
  const now = new Date().toISOString().replace('Z', '000Z')
  const before = lease?.spec
  const isMine = before?.holderIdentity === options.identity
  const spec = {
    holderIdentity: options.identity,
    leaseDurationSeconds: Math.max(1, Math.round(durationMs / 1000)),
    acquireTime: (isMine && before.acquireTime) || now,
    renewTime: now,
    leaseTransitions: (before?.leaseTransitions ?? 0) + (lease && !isMine ? 1 : 0),
  }
  const { namespace, name, signal } = options
  try {
    if (lease) await api.update(RESOURCES.leases, { ...lease, spec }, { signal })
    else await api.create(RESOURCES.leases, { metadata: { namespace, name }, spec }, { signal })
    return true
  } catch (error) {
    if (isStatus(error, 409)) return false
    throw error
  }
}

async function giveBack(api: KubernetesApi, options: LeaseOptions): Promise<void> {
  try {
    const lease = await find(api, RESOURCES.leases, options.namespace, options.name)
    if (lease?.spec?.holderIdentity !== options.identity) return
    await api.update(RESOURCES.leases, { ...lease, spec: { ...lease.spec, holderIdentity: '' } })
  } catch (error) {
    options.log.warn('lease not given back', { lease: options.name, error: (error as Error).message })
  }
}
