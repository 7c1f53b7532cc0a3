import { isIPv6, type Socket } from 'node:net'

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const FIXED_BYTES = 16
const REST_BYTES_MAX = 2048

/**
 * Takes the PROXY header of version 2 from the front of a connection that a router of ours passes on; what follows stays to be read.
 * Whoever waits for it ends the wait by closing the socket.
 *
 * @returns the client's address; the peer's own where the header names none
 * @throws {Error} when there is no such header, or the connection ends before it is whole
 * @see https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt §2.2
 */
export async function takeProxyHeader(socket: Socket): Promise<string> {
  const fixed = await readBytes(socket, FIXED_BYTES)
  const command = fixed[12]!
  const restBytes = fixed.readUInt16BE(14)
  if (!fixed.subarray(0, 12).equals(SIGNATURE) || command >> 4 !== 2 || (command & 15) > 1 || restBytes > REST_BYTES_MAX)
    throw new Error('no PROXY header of version 2')
  const rest = await readBytes(socket, restBytes)
  const family = (command & 15) === 0 ? 0 : fixed[13]!
  if (family === 0x11 && restBytes >= 12) return [...rest.subarray(0, 4)].join('.')
  if (family === 0x21 && restBytes >= 36) return wideAddress(rest.subarray(0, 16))
  return socket.remoteAddress ?? ''
}

function readBytes(socket: Socket, count: number): Promise<Buffer> {
  if (count === 0) return Promise.resolve(Buffer.alloc(0))
  return new Promise((resolve, reject) => {
    const look = () => {
      const bytes = socket.read(count) as Buffer | null
      // At its end a stream gives what is left, be it less.
      if (bytes === null) return
      leave()
      if (bytes.length === count) resolve(bytes)
      else reject(new Error('connection ended within its PROXY header'))
    }
    const end = () => {
      leave()
      reject(new Error('connection ended within its PROXY header'))
    }
    const leave = () => {
      socket.off('readable', look)
      socket.off('close', end)
      socket.off('end', end)
    }
    socket.on('readable', look)
    socket.on('close', end)
    socket.on('end', end)
    look()
  })
}

function wideAddress(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16))
  const address = new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
  return isIPv6(address) ? address : ''
}
