import type { ContainerStatus, Pod } from 'kubernetes-types/core/v1'
import { Backoff, delay } from '../kernel/backoff.ts'
import { LABELS } from '../kernel/contract.ts'
import { isStatus, type KubernetesApi } from '../kernel/kubernetes/api.ts'
import { startInformer } from '../kernel/kubernetes/informer.ts'
import { keyOf, RESOURCES, type Stored } from '../kernel/kubernetes/objects.ts'
import type { Running } from '../kernel/lifecycle.ts'
import type { Log } from '../kernel/log.ts'
import type { LogHub } from './hub.ts'
import { type LogRecord, sortableTime } from './record.ts'
import type { LogStore, Position } from './store.ts'

/** A line of a container longer than this is cut into several, each marked. */
const LINE_LENGTH_MAX = 64 * 1024
/** Lines that are handed on together at most. */
const BATCH_COUNT_MAX = 500

export interface Collector extends Running {
  /** Stops following the pods that the app has now, for good: it is being destroyed. */
  forget(app: string): Promise<void>
  readonly followerCount: number
}

/** A line, or a piece of one that is too long. */
type Piece = Pick<LogRecord, 'ts' | 'text' | 'partial'>

interface Follower {
  readonly app: string
  readonly uid: string
  readonly stop: AbortController
  readonly done: Promise<void>
}

/**
 * Follows every container of every app through the API server, from where the store says that it stood, and hands the lines on. A follow that
 * ends while its container runs (rotation, an API server that restarts) is opened again; no line is taken twice.
 */
export async function startCollector(options: {
  readonly api: KubernetesApi
  readonly hub: LogHub
  readonly store: LogStore
  readonly log: Log
}): Promise<Collector> {
  const { api, hub, store, log } = options
  const followers = new Map<string, Follower>()
  const forgotten = new Set<string>()

  const pods = startInformer(api, RESOURCES.pods, {
    log,
    selection: { labelSelector: `${LABELS.app},${LABELS.heritage}` },
    onChange: react,
  })
  await pods.synced

  function react(_: string, pod: Stored<Pod> | undefined): void {
    const app = pod?.metadata.labels?.[LABELS.app]
    // A pod's label must not put lines into another app's log: the app is the namespace.
    if (!pod || !app || app !== pod.metadata.namespace || forgotten.has(pod.metadata.uid)) return
    for (const status of [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]) {
      const hasRun = status.state?.running ?? status.state?.terminated ?? status.lastState?.terminated
      if (!hasRun) continue
      const id = `${pod.metadata.uid}/${status.name}/${status.restartCount}`
      if (followers.has(id)) continue
      const stop = new AbortController()
      const follower = { app, uid: pod.metadata.uid, stop, done: follow(pod, status, app, stop.signal) }
      followers.set(id, follower)
      void follower.done.finally(() => {
        // Kept while the pod stands, so that a container that has ended is not read again at each change of its pod.
        if (!pods.get(keyOf(pod))) followers.delete(id)
      })
    }
  }

  async function follow(pod: Stored<Pod>, status: ContainerStatus, app: string, signal: AbortSignal): Promise<void> {
    const { namespace = '', name, labels = {} } = pod.metadata
    const origin = `${name}/${status.name}`
    const base = {
      source: labels[LABELS.type] === 'run' ? ('run' as const) : ('app' as const),
      pod: name,
      container: status.name,
      ...(labels[LABELS.type] ? { process: labels[LABELS.type] } : {}),
      ...(labels[LABELS.version] ? { release: labels[LABELS.version] } : {}),
    }
    const backoff = new Backoff({ minMs: 50, maxMs: 5_000 })
    let position = (await store.positions(app).catch(() => new Map<string, Position>())).get(origin)
    while (!signal.aborted) {
      try {
        const bytes = await api.podLog(namespace, name, {
          container: status.name,
          follow: true,
          timestamps: true,
          signal,
          ...(position ? { sinceTime: `${position.ts.slice(0, 19)}Z` } : {}),
        })
        const reader = new LineReader(position)
        for await (const chunk of bytes) {
          const records = reader.read(chunk).map(line => ({ ...base, ...line }))
          for (let from = 0; from < records.length; from += BATCH_COUNT_MAX) await hub.add(app, records.slice(from, from + BATCH_COUNT_MAX))
          if (records.length > 0) backoff.reset()
          position = reader.position
        }
      } catch (error) {
        if (signal.aborted || isStatus(error, 404)) return
        log.debug('log stream cut', { app, pod: name, error: (error as Error).message })
      }
      const current = pods.get(keyOf(pod))
      const now = current?.status?.containerStatuses?.find(({ name: container }) => container === status.name)
      const isOver = current?.metadata.uid !== pod.metadata.uid || !now?.state?.running || now.restartCount !== status.restartCount
      if (isOver) return
      await delay(backoff.next(), signal)
    }
  }

  return {
    get followerCount() {
      return followers.size
    },
    async forget(app) {
      const mine = [...followers.values()].filter(follower => follower.app === app)
      for (const { uid, stop } of mine) {
        forgotten.add(uid)
        stop.abort()
      }
      await Promise.all(mine.map(({ done }) => done))
      for (const uid of forgotten) if (forgotten.size > 10_000) forgotten.delete(uid)
    },
    async stop() {
      await pods.stop()
      for (const { stop } of followers.values()) stop.abort()
      await Promise.all([...followers.values()].map(({ done }) => done))
    },
  }
}

/**
 * Cuts the bytes of one stream into lines with their times, and leaves out those that were taken before. A line that does not end is handed on
 * in pieces as it comes, so that no app can fill our memory; when the stream is cut within it, the rest of that line is lost.
 */
export class LineReader {
  #rest: Buffer = Buffer.alloc(0)
  /** The line under way, when its beginning was handed on; without a time it is left out. */
  #begun: { readonly ts: string | undefined } | undefined
  #position: Position | undefined
  /** How many lines of the position's own time are still to be skipped. */
  #skip: number

  constructor(position?: Position) {
    this.#position = position
    this.#skip = position?.count ?? 0
  }

  get position(): Position | undefined {
    return this.#position
  }

  read(chunk: Uint8Array): Piece[] {
    const bytes = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk])
    const lines: Piece[] = []
    let from = 0
    for (let end = bytes.indexOf(10, from); end >= 0; end = bytes.indexOf(10, from)) {
      lines.push(...this.#take(bytes.subarray(from, end), true))
      from = end + 1
    }
    if (bytes.length - from > LINE_LENGTH_MAX) {
      const end = wholeCharacters(bytes)
      lines.push(...this.#take(bytes.subarray(from, end), false))
      from = end
    }
    this.#rest = Buffer.from(bytes.subarray(from))
    return lines
  }

  /** @param isEnd whether the line ends with these bytes */
  #take(bytes: Buffer, isEnd: boolean): Piece[] {
    let body = bytes
    let begun = this.#begun
    if (begun === undefined) {
      const space = bytes.subarray(0, 40).indexOf(32)
      const ts = space < 0 ? undefined : sortableTime(bytes.toString('latin1', 0, space))
      begun = { ts: ts === undefined || this.#isKnown(ts) ? undefined : ts }
      body = bytes.subarray(space + 1)
    }
    this.#begun = isEnd ? undefined : begun
    const { ts } = begun
    if (ts === undefined) return []
    const text = isEnd ? body.toString('utf8').replace(/\r$/, '') : body.toString('utf8')
    if (isEnd && text.length <= LINE_LENGTH_MAX) return [{ ts, text }]
    const parts = text.match(new RegExp(`[\\s\\S]{1,${LINE_LENGTH_MAX}}`, 'g')) ?? []
    return parts.map((part, index) => (isEnd && index === parts.length - 1 ? { ts, text: part } : { ts, text: part, partial: true }))
  }

  #isKnown(ts: string): boolean {
    const position = this.#position
    if (position && (ts < position.ts || (ts === position.ts && this.#skip > 0))) {
      if (ts === position.ts) this.#skip--
      return true
    }
    this.#skip = 0
    this.#position = ts === position?.ts ? { ts, count: position.count + 1 } : { ts, count: 1 }
    return false
  }
}

/** Where the last whole character ends: what follows, three bytes at most, is the beginning of one. */
function wholeCharacters(bytes: Buffer): number {
  for (let at = bytes.length - 1; at >= bytes.length - 4 && at >= 0; at--) {
    const byte = bytes[at] as number
    if (byte < 0x80) return bytes.length
    if (byte >= 0xc0) return at
  }
  return bytes.length
}
