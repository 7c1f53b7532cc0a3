import type { Readable } from 'node:stream'
import { PAGE_BYTES_MAX } from '../../kernel/contract.ts'
import { type HttpClient, httpClient } from '../../kernel/http.ts'
import { guardedLookup, mayNameHost, publicOr } from '../../kernel/public-address.ts'

const REDIRECTS_MAX = 3
const WHOLE_MS_MAX = 10_000

const TYPES: Readonly<Record<string, RegExp>> = {
  html: /^(?:text\/html|application\/xhtml\+xml)\s*(?:;|$)/i,
  json: /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i,
  txt: /^text\/plain\s*(?:;|$)/i,
}

/**
 * Fetches pages for apps. Whoever may use an app chooses the address, so it must lead to the public internet: each connection is checked
 * when its address is known, those of redirects too; nothing of ours is sent, and no more is read than a page may have.
 */
export class PageFetcher {
  readonly #http: HttpClient
  readonly #mayConnect: (address: string) => boolean

  /** @param allowed networks that may be fetched from although they are not public, `10.1.0.0/16` */
  constructor(allowed: readonly string[]) {
    this.#mayConnect = publicOr(allowed)
    this.#http = httpClient({ connectTimeoutMs: 5_000, answerTimeoutMs: 5_000, lookup: guardedLookup(this.#mayConnect) })
  }

  /**
   * @param name of the page: its ending says of which type the answer must be
   * @throws {Error} with a sentence for the user
   */
  async fetch(url: string, name: string): Promise<string> {
    const signal = AbortSignal.timeout(WHOLE_MS_MAX)
    let target = new URL(url)
    for (let hop = 0; ; hop++) {
      this.#check(target)
      const headers = { accept: 'text/html, application/json, text/plain', 'accept-encoding': 'identity', 'user-agent': 'drycc' }
      const answer = await this.#http.stream('GET', target.href, undefined, { headers, signal })
      try {
        const location = answer.headers['location']
        if ([301, 302, 303, 307, 308].includes(answer.status) && typeof location === 'string') {
          if (hop === REDIRECTS_MAX) throw new Error(`It redirects more than ${REDIRECTS_MAX} times`)
          target = new URL(location, target)
          continue
        }
        if (answer.status !== 200) throw new Error(`It answers ${answer.status}`)
        const type = String(answer.headers['content-type'] ?? '')
        if (!TYPES[name.slice(name.lastIndexOf('.') + 1)]?.test(type)) throw new Error(`It is of another type than ${name}`)
        if (answer.headers['content-encoding'] !== undefined) throw new Error('It is compressed though nobody asked for that')
        return await readPage(answer.body)
      } finally {
        // Nothing more of it is wanted; one that was read to its end is done already.
        answer.body.on('error', () => {}).destroy()
      }
    }
  }

  stop(): Promise<void> {
    return this.#http.close()
  }

  /** An address within the URL is never resolved, so it is looked at here. */
  #check(target: URL): void {
    if (!/^https?:$/.test(target.protocol)) throw new Error('It leads to what is neither http nor https')
    if (!mayNameHost(target, this.#mayConnect)) throw new Error('It has no address on the public internet')
  }
}

async function readPage(body: Readable): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > PAGE_BYTES_MAX) throw new Error(`It is larger than ${PAGE_BYTES_MAX / 1024} KB`)
    chunks.push(chunk)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch {
    throw new Error('It is not text in UTF-8')
  }
}
