import { createHash } from 'node:crypto'
import { createServer } from 'node:net'

/** Where a pod can be reached. */
export interface PodAddress {
  readonly ip: string
  /** From declared container port to the port that the process really gets; empty where the two are the same. */
  readonly ports: Readonly<Record<string, number>>
}

/** No address or port is left; the message says of what. */
export class ExhaustedError extends Error {
  override readonly name = 'ExhaustedError'
}

export interface PodNetworkOptions {
  /** Pods get addresses of this IPv4 network and keep their own port numbers. Without it they get loopback addresses and own ports. */
  readonly podCidr?: string
  /** Both ends included. 20000 to 31999 by default: below the ports that Linux (32768) and macOS (49152) give to outgoing connections. */
  readonly portRange?: { readonly from: number; readonly to: number }
  /** How long a port that was given back is not given out again: a client may still think that it is the old pod's. 60 s by default. */
  readonly quarantineMs?: number
}

const LOOPBACK = '127.0.0.1'
const PORT_RANGE = { from: 20_000, to: 31_999 }
const QUARANTINE_MS = 60_000
/** 127.1.0.0 to 127.127.255.255: leaves 127.0.x.x to the host's own names and resolvers, the upper half to whoever wants it. */
const LOOPBACK_NETWORK = { first: toNumber('127.1.0.1'), count: 127 * 65_536 - 2 }

/** Gives each pod an address and, on loopback, a port of its own for each that it declares, no two pods the same. */
export class PodNetwork {
  readonly #options: PodNetworkOptions
  readonly #addresses = new Map<string, string>()
  /** Who has a port; a time of release for one in quarantine. */
  readonly #ports = new Map<number, string | { releasedAt: number }>()
  readonly #network: { first: number; count: number } | undefined
  #cursor: number

  private constructor(options: PodNetworkOptions, network: { first: number; count: number } | undefined) {
    this.#options = options
    this.#network = network
    const { from, to } = this.#range
    // Two kubelets on one machine begin at different places, so that they seldom probe the same port at once.
    this.#cursor = from + Math.floor(Math.random() * (to - from + 1))
  }

  /** @throws {RangeError} for a malformed or tiny network */
  static async open(options: PodNetworkOptions = {}): Promise<PodNetwork> {
    if (options.podCidr !== undefined) return new PodNetwork(options, parseCidr(options.podCidr))
    // Linux has the whole of 127.0.0.0/8, macOS only its first address.
    return new PodNetwork(options, (await isFree('127.1.0.1', 0)) ? LOOPBACK_NETWORK : undefined)
  }

  /** False where pods have addresses of their own that take any port. */
  get mapsPorts(): boolean {
    return this.#options.podCidr === undefined
  }

  /** Marks what a pod has had before the kubelet came back. */
  claim(uid: string, { ip, ports }: PodAddress): void {
    this.#addresses.set(ip, uid)
    for (const port of Object.values(ports)) this.#ports.set(port, uid)
  }

  /**
   * @param declared the container ports
   * @throws {ExhaustedError} when there is no free address or port
   */
  async allocate(uid: string, declared: readonly number[]): Promise<PodAddress> {
    const ip = this.#allocateAddress(uid)
    const ports: Record<string, number> = {}
    try {
      if (this.mapsPorts) for (const port of declared) ports[port] = await this.#allocatePort(uid)
    } catch (error) {
      this.release(uid)
      throw error
    }
    return { ip, ports }
  }

  /** True when nobody listens on any of the ports, as must be before a pod's processes start again. */
  async isFree(ports: PodAddress['ports']): Promise<boolean> {
    for (const port of Object.values(ports)) if (!(await isFree('0.0.0.0', port))) return false
    return true
  }

  release(uid: string): void {
    for (const [ip, owner] of this.#addresses) if (owner === uid) this.#addresses.delete(ip)
    for (const [port, owner] of this.#ports) if (owner === uid) this.#ports.set(port, { releasedAt: performance.now() })
  }

  get #range(): { from: number; to: number } {
    return this.#options.portRange ?? PORT_RANGE
  }

  #allocateAddress(uid: string): string {
    if (!this.#network) return LOOPBACK
    const { first, count } = this.#network
    // By the pod's id, so that a pod that was deleted is not followed at once by another on its address.
    const start = createHash('sha256').update(uid).digest().readUInt32BE() % count
    for (let step = 0; step < count; step++) {
      const ip = toText(first + ((start + step) % count))
      if (this.#addresses.has(ip)) continue
      this.#addresses.set(ip, uid)
      return ip
    }
    throw new ExhaustedError(`no free address among ${count}`)
  }

  async #allocatePort(uid: string): Promise<number> {
    const { from, to } = this.#range
    for (let step = from; step <= to; step++) {
      const port = this.#cursor
      this.#cursor = port >= to ? from : port + 1
      const owner = this.#ports.get(port)
      const isResting = typeof owner === 'object' && performance.now() - owner.releasedAt < (this.#options.quarantineMs ?? QUARANTINE_MS)
      if (typeof owner === 'string' || isResting) continue
      // Held during the probe, for other pods allocate meanwhile.
      this.#ports.set(port, uid)
      if (await isFree('0.0.0.0', port)) return port
      this.#ports.delete(port)
    }
    throw new ExhaustedError(`no free port from ${from} to ${to}`)
  }
}

/** Tries to listen. A socket closed before any connection leaves nothing behind that would hold the port. */
async function isFree(host: string, port: number): Promise<boolean> {
  const server = createServer()
  return await new Promise<boolean>(resolve => {
    server.once('error', () => resolve(false))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** Network and broadcast address left out. */
function parseCidr(text: string): { first: number; count: number } {
  const [, address = '', bits = ''] = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(text) ?? []
  const length = Number(bits)
  const octets = address.split('.').map(Number)
  if (octets.length !== 4 || octets.some(octet => octet > 255) || bits === '' || length < 8 || length > 30)
    throw new RangeError(`Cannot read network "${text}": write it as 10.244.0.0/16, with a length of 8 to 30`)
  const size = 2 ** (32 - length)
  return { first: Math.floor(toNumber(address) / size) * size + 1, count: size - 2 }
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
}

function toText(number: number): string {
  return [24, 16, 8, 0].map(bits => Math.floor(number / 2 ** bits) % 256).join('.')
}
