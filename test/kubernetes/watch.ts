import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Json } from './api.ts'

export interface Event {
  readonly type: string
  readonly object: Json
}

/** Far beyond what a server needs, so that only a missing event runs into it. */
const EVENT_WAIT_MS = 60_000

/** The events of one watch, in the order in which they came. */
export class Watch {
  readonly #body: Readable
  readonly #events: Event[] = []
  #wake: () => void = () => {}
  #ended = false

  constructor(body: Readable) {
    this.#body = body
    body.on('error', () => {})
    const lines = createInterface({ input: body })
    lines.on('line', line => {
      if (line) this.#events.push(JSON.parse(line))
      this.#wake()
    })
    lines.on('close', () => {
      this.#ended = true
      this.#wake()
    })
  }

  /** The next event; fails the case when none comes. */
  async next(): Promise<Event> {
    const event = await this.#take()
    assert.ok(event, 'the watch ended where an event was expected')
    return event
  }

  /** `TYPE name` of the next `count` events. */
  async names(count: number): Promise<string[]> {
    const names: string[] = []
    for (let left = count; left > 0; left--) {
      const { type, object } = await this.next()
      names.push(`${type} ${object.metadata.name}`)
    }
    return names
  }

  /** Drops events until one fits, and returns that. */
  async until(fits: (event: Event) => boolean): Promise<Event> {
    for (;;) {
      const event = await this.next()
      if (fits(event)) return event
    }
  }

  /** Everything up to the server's own end of the watch. */
  async rest(): Promise<Event[]> {
    const events: Event[] = []
    for (let event = await this.#take(); event; event = await this.#take()) events.push(event)
    return events
  }

  close(): void {
    this.#body.destroy()
    this.#ended = true
    this.#wake()
  }

  async #take(): Promise<Event | undefined> {
    const deadline = AbortSignal.timeout(EVENT_WAIT_MS)
    while (this.#events.length === 0 && !this.#ended) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      await Promise.race([promise, once(deadline, 'abort')])
      if (deadline.aborted) assert.fail(`no event came in ${EVENT_WAIT_MS} ms`)
    }
    return this.#events.shift()
  }
}
