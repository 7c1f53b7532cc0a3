import type { Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import type { AcmeChallenge } from '../table/extensions/acme.ts'
import { normalHost } from '../table/host.ts'
import { type ChallengeCertificate, challengeCertificate } from '../tls/challenge-certificate.ts'
import { HELLO_BYTES_MAX, readClientHello } from '../tls/client-hello.ts'

const PROTOCOL = 'acme-tls/1'

/** Several authorities, or one from several places, look at the same challenge. */
const made = new WeakMap<AcmeChallenge, ChallengeCertificate>()

/**
 * Looks at the beginning of a TLS connection, while certificates are ordered: an authority that asks for a challenge (RFC 8737) is answered
 * by a certificate made for it, and learns and sends nothing else; all others go on as if nobody had looked.
 *
 * @param timeoutMs until the authority has gone, or it is known to be somebody else
 * @param find the challenge of a domain
 */
export function meetAuthority(raw: Socket, timeoutMs: number, find: (domain: string) => AcmeChallenge | undefined, goOn: () => void): void {
  let bytes: Buffer = Buffer.alloc(0)
  const timer = setTimeout(() => raw.destroy(), timeoutMs)
  const ended = () => raw.destroy()
  raw.once('close', () => clearTimeout(timer))
  raw.on('end', ended)
  raw.on('data', function read(chunk: Buffer) {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
    const hello = bytes.length > HELLO_BYTES_MAX ? null : readClientHello(bytes)
    if (hello === undefined) return
    raw.off('data', read)
    raw.off('end', ended)
    raw.pause()
    raw.unshift(bytes)
    const challenge = hello?.protocols.includes(PROTOCOL) ? find(normalHost(hello.serverName)) : undefined
    if (challenge !== undefined) {
      answer(raw, challenge)
      return
    }
    clearTimeout(timer)
    goOn()
  })
}

/** Its time goes on: the connection ends with it. */
function answer(raw: Socket, challenge: AcmeChallenge): void {
  let pair = made.get(challenge)
  if (pair === undefined) {
    pair = challengeCertificate(challenge.domain, challenge.keyAuthorization)
    made.set(challenge, pair)
  }
  const secureContext = createSecureContext({ cert: pair.certificate, key: pair.key, minVersion: 'TLSv1.2' })
  const socket = new TLSSocket(raw, { isServer: true, secureContext, ALPNProtocols: [PROTOCOL] })
  socket.on('error', () => raw.destroy())
  socket.once('secure', () => socket.end())
  socket.resume()
}
