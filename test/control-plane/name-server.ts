import { createSocket } from 'node:dgram'
import { once } from 'node:events'

const [A, CAA] = [1, 257]
const [SERVFAIL, NXDOMAIN] = [2, 3]

/** A name server for tests, over UDP. */
export interface NameServer extends AsyncDisposable {
  readonly port: number
  /** IPv4 addresses by name; a name that is not here does not exist. */
  readonly addresses: Map<string, string>
  /** CAA records by name (RFC 8659 §4). */
  readonly caa: Map<string, readonly { readonly flags: number; readonly tag: string; readonly value: string }[]>
  /** Names for which the server fails. */
  readonly failing: Set<string>
  /** Names that were asked for. */
  readonly asked: string[]
}

/** @param wildcard the address of all names that have none of their own; absent: they do not exist */
export async function startNameServer(wildcard?: string): Promise<NameServer> {
  const socket = createSocket('udp4')
  const server = {
    port: 0,
    addresses: new Map<string, string>(),
    caa: new Map() as NameServer['caa'],
    failing: new Set<string>(),
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
    const question = query.subarray(12, at + 5)
    const address = server.addresses.get(name) ?? wildcard
    const type = query.readUInt16BE(at + 1)
    const records =
      type === CAA ? server.caa.get(name)?.map(rdataOf) : address && type === A ? [Buffer.from(address.split('.').map(Number))] : []
    const isKnown = address !== undefined || server.caa.has(name)
    const code = server.failing.has(name) ? SERVFAIL : isKnown ? 0 : NXDOMAIN
    const answers = (code === 0 ? (records ?? []) : []).map(rdata =>
      Buffer.concat([Buffer.from([0xc0, 12, type >> 8, type & 0xff, 0, 1, 0, 0, 0, 1, 0, rdata.length]), rdata]),
    )
    // RFC 1035 §4.1: an answer, recursion available.
    const head = Buffer.from([query[0] as number, query[1] as number, 0x81, 0x80 | code, 0, 1, 0, answers.length, 0, 0, 0, 0])
    socket.send(Buffer.concat([head, question, ...answers]), port, client)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  server.port = socket.address().port
  return server
}

function rdataOf({ flags, tag, value }: { readonly flags: number; readonly tag: string; readonly value: string }): Buffer {
  return Buffer.concat([Buffer.from([flags, tag.length]), Buffer.from(tag + value)])
}
