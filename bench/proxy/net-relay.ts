import { connect, createServer } from 'node:net'
import { serve } from './node-peer.ts'

// No parsing at all, one upstream connection for each of the client's: what Node costs before a proxy does anything.
const server = createServer({ noDelay: true }, client => {
  const app = connect({ port: Number(process.env['ORIGIN_PORT']), host: '127.0.0.1', noDelay: true })
  for (const [from, to] of [
    [client, app],
    [app, client],
  ] as const) {
    from.on('data', (chunk: Buffer) => to.write(chunk) || from.pause())
    to.on('drain', () => from.resume())
    from.on('error', () => to.destroy())
    from.on('close', () => to.destroy())
  }
})
serve(server)
