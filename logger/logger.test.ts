import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { after, before, suite, test } from 'node:test'
import type { Pod } from 'kubernetes-types/core/v1'
import type { KubernetesApi, PodLogOptions, WatchEvent, WatchOptions } from '../kernel/kubernetes/api.ts'
import type { Stored } from '../kernel/kubernetes/objects.ts'
import type { Running } from '../kernel/lifecycle.ts'
import { silentLog } from '../kernel/log.ts'
import { LineReader } from './collect.ts'
import { loggerConfig } from './config.ts'
import { startLogger } from './start.ts'

suite('LineReader', () => {
  const lines = ['2026-11-22T18:00:00.1Z a\n', '2026-11-22T18:00:00.2Z b\n', '2026-11-22T18:00:00.2Z b\n', '2026-11-22T18:00:00.3Z ü\n']

  test('reads lines wherever the bytes are cut', () => {
    const bytes = Buffer.from(lines.join(''))
    for (let cut = 0; cut <= bytes.length; cut++) {
      const reader = new LineReader()
      const read = [...reader.read(bytes.subarray(0, cut)), ...reader.read(bytes.subarray(cut))]
      assert.deepEqual(
        read.map(({ text }) => text),
        ['a', 'b', 'b', 'ü'],
      )
    }
  })

  test('goes on after any line without taking one twice', () => {
    for (let count = 0; count <= lines.length; count++) {
      const first = new LineReader()
      const before = first.read(Buffer.from(lines.slice(0, count).join('')))
      const rest = new LineReader(first.position).read(Buffer.from(lines.join('')))
      assert.deepEqual(
        [...before, ...rest].map(({ text }) => text),
        ['a', 'b', 'b', 'ü'],
      )
    }
  })

  test('cuts a huge line and leaves out what has no time', () => {
    const read = new LineReader().read(Buffer.from(`junk\n2026-11-22T18:00:00Z ${'x'.repeat(100_000)}\n`))
    assert.deepEqual(
      read.map(({ text, partial }) => [text.length, partial]),
      [
        [65_536, true],
        [34_464, undefined],
      ],
    )
  })
})

suite('LineReader of a line without end', () => {
  const start = '2026-11-22T18:00:00Z '

  test('hands on what it has and keeps no more than a piece', () => {
    const reader = new LineReader()
    let read = reader.read(Buffer.from(start))
    for (let index = 0; index < 1000; index++) read = [...read, ...reader.read(Buffer.from('ü'.repeat(999)))]
    const early = read.reduce((length, { text }) => length + text.length, 0)
    assert.ok(999_000 - early < 70_000, `${early}`)
    read.push(...reader.read(Buffer.from('end\nno time\n2026-11-22T18:00:01Z next\n')))
    const text = read.map(({ text }) => text).join('')
    assert.equal(text, `${'ü'.repeat(999_000)}endnext`)
    assert.deepEqual(
      new Set(read.slice(0, -2).map(({ ts, partial }) => `${ts} ${partial}`)),
      new Set(['2026-11-22T18:00:00.000000000Z true']),
    )
    assert.deepEqual([read.at(-2)?.partial, read.at(-1)?.text], [undefined, 'next'])
  })

  test('leaves it out whole when it was taken before, or has no time', () => {
    const huge = `${start}${'x'.repeat(200_000)}`
    const first = new LineReader()
    first.read(Buffer.from(`${huge}\n`))
    for (const [reader, line] of [
      [new LineReader(first.position), huge],
      [new LineReader(), 'x'.repeat(200_000)],
    ] as const) {
      const read = [...line.matchAll(/.{1,10000}/g)].flatMap(([piece]) => reader.read(Buffer.from(piece)))
      read.push(...reader.read(Buffer.from('\n2026-11-22T18:00:01Z next\n')))
      assert.deepEqual(
        read.map(({ text }) => text),
        ['next'],
      )
    }
  })
})

suite('startLogger()', () => {
  let cluster: PodsWithLogs
  let logger: Required<Running>
  let base = ''
  before(async () => {
    cluster = new PodsWithLogs()
    const config = loggerConfig({ LOGGER_BIND: '127.0.0.1', LOGGER_PORT: '0', LOGGER_ADMIN_PORT: '0' })
    logger = await startLogger({ api: cluster as unknown as KubernetesApi, config, log: silentLog })
    base = `http://127.0.0.1:${logger.ports['http']}`
  })
  after(() => logger.stop())

  test('answers 204 for an app without lines, and for what is no app', async () => {
    for (const path of ['/logs/none', '/logs/none/', '/logs/..%2Fetc', '/logs/A'])
      assert.equal((await fetch(base + path)).status, 204, path)
  })

  test('merges the lines of all pods by their times, and keeps them when the pods have gone', async () => {
    cluster.start('shop', 'shop-web-1-aaaaa')
    cluster.start('shop', 'shop-web-1-bbbbb')
    cluster.write('shop-web-1-bbbbb', '2026-11-22T18:00:00.2Z second\n')
    cluster.write('shop-web-1-aaaaa', '2026-11-22T18:00:00.1Z first\n2026-11-22T18:00:00.3Z third\n')
    await linesOf('shop', 3)
    cluster.remove('shop-web-1-aaaaa')
    cluster.remove('shop-web-1-bbbbb')
    assert.deepEqual(await linesOf('shop', 3), [
      '2026-11-22T18:00:00+00:00 shop[web.v1.aaaaa]: first',
      '2026-11-22T18:00:00+00:00 shop[web.v1.bbbbb]: second',
      '2026-11-22T18:00:00+00:00 shop[web.v1.aaaaa]: third',
    ])
    const response = await fetch(`${base}/logs/shop?log_lines=1`)
    assert.equal(await response.text(), '2026-11-22T18:00:00+00:00 shop[web.v1.aaaaa]: third\n')
  })

  test('gives as many lines of one process as were asked for, however far apart', async () => {
    cluster.start('mixed', 'mixed-web-1-aaaaa')
    cluster.start('mixed', 'mixed-worker-1-bbbbb', 'mixed', 'worker')
    cluster.write('mixed-worker-1-bbbbb', '2026-11-22T18:00:00.1Z early\n2026-11-22T18:00:00.2Z late\n')
    let noise = ''
    for (let line = 0; line < 300; line++) noise += `2026-11-22T18:00:01.${String(line).padStart(3, '0')}Z noise\n`
    cluster.write('mixed-web-1-aaaaa', noise)
    await linesOf('mixed', 100)
    const texts = async (query: string) => (await (await fetch(`${base}/logs/mixed?process=worker${query}`)).text()).match(/(?<=: )\w+$/gm)
    assert.deepEqual(await texts(''), ['early', 'late'])
    assert.deepEqual(await texts('&log_lines=1'), ['late'])
    const { response, text } = await follow('/logs/mixed?follow=true&process=worker&log_lines=1')
    cluster.write('mixed-worker-1-bbbbb', '2026-11-22T18:00:03Z next\n')
    await text.until(/next\n/)
    assert.deepEqual(text.value.match(/(?<=: )\w+$/gm), ['late', 'next'])
    response.destroy()
  })

  test('takes an unreadable number of lines for the default', async () => {
    for (const count of ['abc', '-5', '0', '', '99999999999']) {
      assert.equal((await (await fetch(`${base}/logs/shop?log_lines=${count}`)).text()).split('\n').length, 4)
    }
  })

  test("follows: history, then what comes, the platform's lines among them", async () => {
    cluster.start('live', 'live-web-1-aaaaa')
    cluster.write('live-web-1-aaaaa', '2026-11-22T18:00:00Z before\n')
    await linesOf('live', 1)
    const { response, text } = await follow('/logs/live?follow=true')
    cluster.write('live-web-1-aaaaa', '2026-11-22T18:00:01Z after\n')
    await text.until(/after\n/)
    const line = { ts: '2026-11-22T18:00:02Z', app: 'live', source: 'controller', level: 'INFO', text: 'ana scaled pods web=3' }
    const posted = await fetch(`${base}/logs/live`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: `${JSON.stringify(line)}\nbad\n`,
    })
    assert.equal(posted.status, 204)
    await text.until(/deis\[controller\]: INFO ana scaled pods web=3\n/)
    assert.match(text.value, /^[^\n]*before\n[^\n]*after\n[^\n]*scaled[^\n]*\n$/)
    response.destroy()
  })

  test('ends a follow after its timeout, in good order', async () => {
    const { response } = await follow('/logs/live?follow=true&timeout=1')
    await once(response, 'end')
    assert.ok(response.complete)
  })

  test('a reader who does not read loses lines, never our memory, and is told how many', async () => {
    cluster.start('slow', 'slow-web-1-aaaaa')
    const { response } = await follow('/logs/slow?follow=true')
    response.pause()
    const padding = 'x'.repeat(10_000)
    let sent = 0
    // More than the reader's share and what the sockets between hold.
    for (let batch = 0; batch < 60; batch++) {
      let text = ''
      for (let line = 0; line < 50; line++) text += `2026-11-22T18:00:00.${String(sent++).padStart(9, '0')}Z ${padding}\n`
      cluster.write('slow-web-1-aaaaa', text)
      await linesAt('slow', `2026-11-22T18:00:00.${String(sent - 1).padStart(9, '0')}Z`)
    }
    const text = new GrowingText(response)
    response.resume()
    await text.until(/L11 reader too slow: \d+ lines dropped\n/)
    const dropped = Number(/L11 reader too slow: (\d+) lines/.exec(text.value)?.[1])
    assert.ok(dropped > 0 && dropped < sent, String(dropped))
    assert.equal(text.value.match(/slow\[web/g)?.length, sent - dropped)
    response.destroy()
  })

  test('opens a stream again that was cut, and takes no line twice', async () => {
    cluster.start('cut', 'cut-web-1-aaaaa')
    cluster.write('cut-web-1-aaaaa', '2026-11-22T18:00:00.1Z one\n2026-11-22T18:00:00.2Z two\n')
    await linesOf('cut', 2)
    cluster.cut('cut-web-1-aaaaa')
    cluster.write('cut-web-1-aaaaa', '2026-11-22T18:00:00.2Z three\n')
    assert.deepEqual(
      (await linesOf('cut', 3)).map(line => line.split(': ')[1]),
      ['one', 'two', 'three'],
    )
  })

  test('leaves a pod out whose label names another namespace', async () => {
    cluster.start('victim', 'evil-web-1-aaaaa', 'evil')
    cluster.write('evil-web-1-aaaaa', '2026-11-22T18:00:00Z forged\n')
    cluster.start('mark', 'mark-web-1-aaaaa')
    cluster.write('mark-web-1-aaaaa', '2026-11-22T18:00:00Z mark\n')
    await linesOf('mark', 1)
    assert.equal((await fetch(`${base}/logs/victim`)).status, 204)
  })

  test('forgets a destroyed app, though its pods still write', async () => {
    cluster.start('gone', 'gone-web-1-aaaaa')
    cluster.write('gone-web-1-aaaaa', '2026-11-22T18:00:00Z old\n')
    await linesOf('gone', 1)
    assert.equal((await fetch(`${base}/logs/gone`, { method: 'DELETE' })).status, 200)
    cluster.write('gone-web-1-aaaaa', '2026-11-22T18:00:01Z late\n')
    cluster.start('gone', 'gone-web-1-bbbbb')
    cluster.write('gone-web-1-bbbbb', '2026-11-22T18:00:02Z new\n')
    assert.deepEqual(
      (await linesOf('gone', 1)).map(line => line.split(': ')[1]),
      ['new'],
    )
  })

  async function linesOf(app: string, count: number): Promise<string[]> {
    const { response, text } = await follow(`/logs/${app}?follow=true`)
    await text.until(new RegExp(`^([^\\n]*\\n){${count}}`))
    response.destroy()
    return (await (await fetch(`${base}/logs/${app}`)).text()).trimEnd().split('\n')
  }

  /** Waits until the newest line is the one of this time. */
  async function linesAt(app: string, ts: string): Promise<void> {
    for (;;) {
      const response = await fetch(`${base}/logs/${app}?log_lines=1&format=json`)
      const newest = response.status === 204 ? undefined : (JSON.parse(await response.text()) as { ts: string })
      if (newest?.ts === ts) return
    }
  }

  async function follow(path: string) {
    const request = get(base + path)
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    response.on('error', () => {})
    return { response, text: new GrowingText(response) }
  }
})

class GrowingText {
  value = ''
  readonly #stream: IncomingMessage

  constructor(stream: IncomingMessage) {
    this.#stream = stream
    stream.on('data', chunk => (this.value += chunk))
  }

  async until(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.value)) await once(this.#stream, 'data')
  }
}

/** Pods with logs that the test writes; a follow of one stays open until it is cut or the pod is removed. */
class PodsWithLogs {
  readonly #pods = new Map<string, { pod: Stored<Pod>; log: string; isCut: number; isGone: boolean }>()
  readonly #events: WatchEvent<Pod>[] = []
  #changed = Promise.withResolvers<void>()
  #version = 1

  start(app: string, name: string, namespace = app, type = 'web'): void {
    const pod: Stored<Pod> = {
      metadata: {
        namespace,
        name,
        uid: name,
        resourceVersion: String(++this.#version),
        labels: { app, type, version: 'v1', heritage: 'drycc' },
      },
      status: { containerStatuses: [{ name: 'main', image: 'i', imageID: 'i', ready: true, restartCount: 0, state: { running: {} } }] },
    }
    this.#pods.set(name, { pod, log: '', isCut: 0, isGone: false })
    this.#events.push({ type: 'ADDED', object: pod })
    this.#wake()
  }

  write(name: string, text: string): void {
    this.#pods.get(name)!.log += text
    this.#wake()
  }

  cut(name: string): void {
    this.#pods.get(name)!.isCut++
    this.#wake()
  }

  remove(name: string): void {
    const held = this.#pods.get(name)!
    held.isGone = true
    this.#events.push({
      type: 'DELETED',
      object: { ...held.pod, metadata: { ...held.pod.metadata, resourceVersion: String(++this.#version) } },
    })
    this.#wake()
  }

  async list() {
    return { items: [], resourceVersion: '1' }
  }

  async *watch(_: unknown, { signal }: WatchOptions): AsyncIterable<WatchEvent<Pod>> {
    for (let sent = 0; ; ) {
      while (sent < this.#events.length) yield this.#events[sent++]!
      await this.#change(signal)
    }
  }

  async podLog(_: string, name: string, { signal }: PodLogOptions): Promise<AsyncIterable<Uint8Array>> {
    const held = this.#pods.get(name)!
    const change = (aborted?: AbortSignal) => this.#change(aborted)
    return (async function* () {
      const { isCut } = held
      for (let sent = 0; ; ) {
        if (sent < held.log.length) {
          const text = held.log.slice(sent)
          sent = held.log.length
          yield Buffer.from(text)
        } else if (held.isGone) return
        else await change(signal)
        if (held.isCut > isCut) throw new Error('cut')
      }
    })()
  }

  async #change(signal?: AbortSignal): Promise<void> {
    const aborted = Promise.withResolvers<void>()
    signal?.addEventListener('abort', () => aborted.resolve(), { once: true })
    await Promise.race([this.#changed.promise, aborted.promise])
    if (signal?.aborted) throw signal.reason
  }

  #wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}
