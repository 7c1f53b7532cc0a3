import { createSocket } from 'node:dgram'
import { once } from 'node:events'

/** A name server for tests, over UDP. */
export interface NameServer extends AsyncDisposable {
  readonly port: number
  /** IPv4 addresses by name; a name that is not here does not exist. */
  readonly addresses: Map<string, string>
  /** Names that were asked for. */
  readonly asked: string[]
}

/** @param wildcard the address of all names that have none of their own; absent: they do not exist */
export async function startNameServer(wildcard?: string): Promise<NameServer> {
  const socket = createSocket('udp4')
  const server = {
    port: 0,
    addresses: new Map<string, string>(),
    asked: [] as string[],
    async [Symbol.asyncDispose]() {
      await new Promise<void>(resolve => socket.close(() => resolve()))
    },
  }
  socket.on('message', (query, { port, address: client }) => {
    const labels: string[] = []
    let at = 12
    while ((query[at] ?? 0) > 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + (query[at] as number)))
      at += 1 + (query[at] as number)
    }
    const name = labels.join('.').toLowerCase()
    server.asked.push(name)
    const address = server.addresses.get(name) ?? wildcard
    const isIpv4 = query.readUInt16BE(at + 1) === 1
    const question = query.subarray(12, at + 5)
    // RFC 1035 §4.1: an answer, recursion available; 3 is "no such name".
    const head = Buffer.from([query[0] as number, query[1] as number, 0x81, 0x80 | (address === undefined ? 3 : 0), 0, 1, 0, 0, 0, 0, 0, 0])
    if (address === undefined || !isIpv4) return socket.send(Buffer.concat([head, question]), port, client)
    head[7] = 1
    const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, ...address.split('.').map(Number)])
    socket.send(Buffer.concat([head, question, record]), port, client)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  server.port = socket.address().port
  return server
}
