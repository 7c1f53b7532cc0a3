import type { ObjectStore } from '../store/object-store.ts'
import type { Draft } from './kinds/kind.ts'

/** One hour, as the real server keeps events. */
const KEEP_MS = 3_600_000
const SWEEP_MS = 60_000

/** Deletes events that nobody has renewed for an hour, so that they do not pile up. @returns how to end it */
export function startEventExpiry(store: ObjectStore, nowMs: () => number = Date.now): () => void {
  const timer = setInterval(() => expireEvents(store, nowMs()), SWEEP_MS)
  timer.unref()
  return () => clearInterval(timer)
}

/** One sweep. */
export function expireEvents(store: ObjectStore, nowMs: number): void {
  for (const { key, object } of [...store.list('events')]) {
    if (lastSeenMs(object as Draft) < nowMs - KEEP_MS) store.delete('events', key)
  }
}

function lastSeenMs(event: Draft): number {
  const series = event['series'] as { lastObservedTime?: string } | undefined
  const times = [event.metadata.creationTimestamp, event['lastTimestamp'], event['eventTime'], series?.lastObservedTime]
  return Math.max(...times.map(time => (typeof time === 'string' ? Date.parse(time) : 0)))
}
