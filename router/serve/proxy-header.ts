import { isIPv6 } from 'node:net'

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const PROXIED_CONNECTION = 0x21
const TCP_OVER_IPV4 = 0x11
const TCP_OVER_IPV6 = 0x21

interface Address {
  readonly address: string
  readonly port: number
}

/**
 * Writes a PROXY header of version 2: who has connected, and to which address of ours. Where only one of the two is of IPv6 both are written
 * as such.
 *
 * @see https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt §2.2
 */
export function writeProxyHeader(source: Address, destination: Address): Buffer {
  const isWide = isIPv6(source.address) || isIPv6(destination.address)
  const addresses = [source, destination].map(({ address }) => (isWide ? wideBytes(address) : narrowBytes(address)))
  const ports = Buffer.alloc(4)
  ports.writeUInt16BE(source.port, 0)
  ports.writeUInt16BE(destination.port, 2)
  const rest = Buffer.concat([...addresses, ports])
  const head = Buffer.from([PROXIED_CONNECTION, isWide ? TCP_OVER_IPV6 : TCP_OVER_IPV4, 0, rest.length])
  return Buffer.concat([SIGNATURE, head, rest])
}

function narrowBytes(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number))
}

function wideBytes(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.concat([Buffer.from('00000000000000000000ffff', 'hex'), narrowBytes(address)])
  // `::` stands for as many groups as are missing; a dotted end is two of them.
  const plain = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts: string[]) => {
    const [a, b, c, d] = parts.map(Number) as [number, number, number, number]
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
  })
  const [before = '', after] = plain.split('::')
  const front = before === '' ? [] : before.split(':')
  const back = after === undefined || after === '' ? [] : after.split(':')
  const groups = [...front, ...Array.from({ length: 8 - front.length - back.length }, () => '0'), ...back]
  const bytes = Buffer.alloc(16)
  for (const [index, group] of groups.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2)
  return bytes
}
