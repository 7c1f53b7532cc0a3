import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { after, before, suite, test } from 'node:test'
import { Person, type Repository, succeed } from './platform/person.ts'
import { type PlatformUnderTest, startTestPlatform } from './platform/platform-under-test.ts'

const PER_SECOND = 500

/** How plain Node servers take the word that they must go. None of them has a hook of its own. */
const ENDINGS: Readonly<Record<string, string>> = {
  'dies at once': '',
  'closes its server': "process.on('SIGTERM', () => server.close(() => process.exit(0)))",
  'closes all its connections': "process.on('SIGTERM', () => { server.close(); server.closeAllConnections() })",
}

suite(`No request of ${PER_SECOND} a second is lost while an app`, () => {
  let platform: PlatformUnderTest
  let ana: Person

  before(async () => {
    platform = await startTestPlatform()
    ana = new Person(platform, 'ana')
    await ana.settle()
  })
  after(() => platform?.end())

  for (const [index, [name, ending]] of Object.entries(ENDINGS).entries()) {
    test(`that ${name} is rolled over, and scaled down and up`, async () => {
      const app = `rolling-${index}`
      const shop = await deploy(app, ending)
      const load = new Mix(platform.ports['http-port'], `${app}.localhost`)
      try {
        for (let round = 1; round <= 3; round++) succeed(await shop.drycc('config:set', `ROUND=${round}`))
        for (const count of [1, 4, 2]) succeed(await shop.drycc('scale', `web=${count}`))
        while (load.count < 2000) await new Promise(resolve => setTimeout(resolve, 10))
      } finally {
        await load.end()
        await ana.drycc('destroy', '--confirm', app)
      }
      assert.deepEqual(load.failures, [], `${load.failures.length} of ${load.count}`)
      assert.ok(load.pods.size >= 3 * 4, `${load.pods.size} pods answered`)
    })
  }

  async function deploy(app: string, ending: string): Promise<Repository> {
    const shop = await ana.repository(app, {
      Procfile: 'web: node server.js\n',
      'package.json': JSON.stringify({ name: app, private: true }),
      'server.js': SERVER + ending,
    })
    succeed(await shop.drycc('create', app))
    succeed(await shop.git('push', 'drycc', 'main'))
    succeed(await shop.drycc('scale', 'web=3'))
    return shop
  }
})

/** Answers with its name and what it was sent, some requests at once and some only after a while. */
const SERVER = `const http = require('node:http')
const server = http.createServer((request, response) => {
  let body = ''
  request.on('data', chunk => { body += chunk })
  request.on('end', () => setTimeout(() => response.end(process.env.HOSTNAME + ' ' + body), Number(request.url.slice(1))))
})
server.listen(process.env.PORT)
`

/** GETs and POSTs in turn over kept connections, at a fixed rate whatever becomes of them; every answer is read and compared. */
class Mix {
  readonly failures: string[] = []
  readonly pods = new Set<string>()
  count = 0
  readonly #port: number
  readonly #host: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 256 })
  readonly #timer: NodeJS.Timeout
  readonly #open = new Set<Promise<void>>()
  readonly #startedAt = performance.now()

  constructor(port: number, host: string) {
    this.#port = port
    this.#host = host
    this.#timer = setInterval(() => {
      const due = Math.floor(((performance.now() - this.#startedAt) / 1000) * PER_SECOND)
      while (this.count < due) {
        const asking = this.#ask(this.count++).finally(() => this.#open.delete(asking))
        this.#open.add(asking)
      }
    }, 5)
  }

  async end(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#open)
    this.#agent.destroy()
  }

  async #ask(number: number): Promise<void> {
    const method = number % 2 === 0 ? 'GET' : 'POST'
    const sent = method === 'POST' ? `order ${number}` : ''
    const path = `/${(number % 5) * 10}`
    const at = new Date().toISOString()
    try {
      const asked = request({ port: this.#port, host: '127.0.0.1', method, path, headers: { host: this.#host }, agent: this.#agent })
      const answered = new Promise<string>((resolve, reject) => {
        asked.on('error', reject)
        asked.on('response', response => {
          text(response).then(
            body => (response.statusCode === 200 ? resolve(body) : reject(new Error(`${response.statusCode} ${body}`))),
            reject,
          )
        })
      })
      asked.end(sent)
      const [pod = '', ...body] = (await answered).split(' ')
      this.pods.add(pod)
      if (body.join(' ') !== sent) this.failures.push(`${at} ${method} got ${body.join(' ')} for ${sent}`)
    } catch (error) {
      this.failures.push(`${at} ${method} ${path} ${(error as Error).message.slice(0, 200)}`)
    }
  }
}
