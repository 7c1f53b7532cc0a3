import type { TLSSocket } from 'node:tls'
import type { RequestHead } from '../http1/request-head.ts'
import type { AppLoad } from '../table/app-load.ts'
import type { RouterSettings } from '../table/route.ts'
import { statedAddress } from './stated-address.ts'

/** Who is at the other end of a client connection, as far as the connection tells: the peer, or what its PROXY header says. */
export class Client {
  /** Plain form, see `plainAddress`. */
  readonly address: string
  readonly port: number
  /** Whether the connection is TLS. */
  readonly secure: boolean
  /** True when a PROXY header gave the address: then X-Forwarded-For has nothing to add. */
  readonly proxied: boolean
  /** The name that the client asked for in its TLS handshake, in the form of hosts; '' without TLS or name. */
  readonly serverName: string
  /** What the connection itself says. */
  readonly own: Origin
  /** The app of the last request. */
  load: AppLoad | undefined
  readonly #socket: TLSSocket | undefined
  #handshake: Handshake | undefined
  #settings: RouterSettings | undefined
  #trusted = false

  constructor(address: string, port: number, secure: boolean, proxied: boolean, serverName = '', socket?: TLSSocket) {
    this.address = address
    this.port = port
    this.secure = secure
    this.proxied = proxied
    this.serverName = serverName
    this.#socket = socket
    this.own = originAs(address, secure ? 'https' : 'http', secure ? '443' : '80')
  }

  /** What was agreed on in its TLS handshake; of a connection that is gone what was asked before, else nothing. */
  get handshake(): Handshake | undefined {
    if (this.#handshake === undefined && this.#socket?.destroyed === false) {
      const protocol = this.#socket.getProtocol() ?? ''
      this.#handshake = { protocol, cipher: this.#socket.getCipher()?.name ?? '', isResumed: this.#socket.isSessionReused() }
    }
    return this.#handshake
  }

  /** Counts this connection for an app, or at its end for none. */
  serves(load: AppLoad | undefined): void {
    if (this.load !== undefined) this.load.connections--
    if (load !== undefined) load.connections++
    this.load = load
  }

  /** Whether the router's operator trusts what this peer says about others. Asked once a connection and settings, as the question costs a microsecond. */
  trusted(settings: RouterSettings): boolean {
    if (this.#settings !== settings) {
      this.#settings = settings
      this.#trusted = settings.trusted.check(this.address)
    }
    return this.#trusted
  }
}

/** For the access log, in OpenSSL's names. */
export interface Handshake {
  readonly protocol: string
  readonly cipher: string
  readonly isResumed: boolean
}

/** Who asks and how, as apps and logs are told. */
export interface Origin {
  readonly address: string
  readonly scheme: 'http' | 'https' | 'ws' | 'wss'
  readonly port: string
  /** Whether the request came encrypted to the outermost proxy that we trust. */
  readonly secure: boolean
  /** The same for apps, as header lines. */
  readonly lines: string
}

function originAs(address: string, scheme: Origin['scheme'], port: string): Origin {
  const lines = `X-Forwarded-For: ${address}\r\nX-Forwarded-Proto: ${scheme}\r\nX-Forwarded-Port: ${port}\r\n`
  return { address, scheme, port, secure: scheme === 'https' || scheme === 'wss', lines }
}

/**
 * Resolves who asks (contract 5.5): what a peer says about others counts only when the operator trusts that peer; the client is then the
 * rightmost address that is not itself trusted. On TLS the scheme is always https.
 */
export function originOf(head: RequestHead, client: Client, settings: RouterSettings): Origin {
  if (!client.trusted(settings)) return client.own
  const address = client.proxied || head.forwardedFor === '' ? client.address : clientOf(head.forwardedFor, client.address, settings)
  const scheme = client.secure ? 'https' : schemeOf(head.forwardedProto)
  const port = /^[0-9]{1,5}$/.test(head.forwardedPort) ? head.forwardedPort : client.own.port
  return originAs(address, scheme, port)
}

function clientOf(forwardedFor: string, peer: string, settings: RouterSettings): string {
  let address = peer
  for (const item of forwardedFor.split(',').reverse()) {
    const stated = statedAddress(item.trim())
    if (stated === '') break
    address = stated
    if (!settings.trusted.check(stated)) break
  }
  return address
}

function schemeOf(forwardedProto: string): Origin['scheme'] {
  const last = forwardedProto
    .slice(forwardedProto.lastIndexOf(',') + 1)
    .trim()
    .toLowerCase()
  return last === 'https' || last === 'ws' || last === 'wss' ? last : 'http'
}
