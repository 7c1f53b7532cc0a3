import { describePair } from '../../kernel/x509.ts'
import type { Automatic, ChallengeType, PendingChallenge, PendingOrder } from '../domain/automatic.ts'
import { type AcmeClient, type Challenge, type Order, preferredChain } from './client.ts'
import { AcmeProblem } from './problem.ts'

const ORDER_MS_MAX = 30_000

/** What an issuance needs. */
export interface Issuance {
  readonly client: AcmeClient
  readonly directory: string
  readonly domain: string
  readonly challengeType: ChallengeType
  /** The common name of the authority whose chain is wanted where there are several. */
  readonly chain?: string
  /** The id of the certificate that this one replaces (RFC 9773 §5). */
  readonly replaces?: string
  /** Where an earlier attempt stopped. */
  readonly standing: PendingOrder | undefined
  readonly signal: AbortSignal
  /** Told before an order is made. */
  begin(): Promise<void>
  /** Keeps the order, so that it is gone on with after a crash. @throws when somebody else has taken over */
  keep(order: PendingOrder): Promise<void>
  /** Puts a challenge where the routers answer it, and waits until they do. */
  publish(challenge: PendingChallenge): Promise<void>
}

export interface Issued extends Required<Pick<Automatic, 'certificate' | 'key' | 'directory'>> {
  readonly notBefore: Date
  readonly notAfter: Date
}

/**
 * Gets a certificate for one domain (RFC 8555 §7.4), or goes on with an order where an earlier attempt stopped: an authority counts orders,
 * so none is made while one stands.
 *
 * @throws {AcmeProblem} the authority's reason
 */
export async function issue(issuance: Issuance): Promise<Issued> {
  const { client, directory, domain, signal, keep } = issuance
  const { order, key: earlierKey } = await openOrder(issuance)
  let key = earlierKey
  if (order.status === 'pending') for (const url of order.authorizations) await authorize(issuance, url)
  if (order.status === 'pending' || order.status === 'ready') {
    // Only now, as it takes 25 MB and a tenth of a second to load.
    const { createSigningRequest } = await import('../../kernel/signing-request.ts')
    const made = await createSigningRequest([domain])
    key = made.key
    await keep({ url: order.url, directory, key })
    await client.finalize(order, made.request, signal)
  }
  if (key === undefined) throw new AcmeProblem(409, 'lostKey', 'The order was finished by somebody else')
  const chains = await client.certificate(order.url, signal)
  const certificate = preferredChain(chains, issuance.chain)
  const { isPair, names, notBefore, notAfter } = describePair(certificate, key)
  if (!isPair || !names.some(name => name.toLowerCase() === domain))
    throw new AcmeProblem(502, 'wrongCertificate', 'The certificate authority gave another certificate than was asked for')
  return { certificate, key, directory, notBefore, notAfter }
}

async function openOrder({ client, directory, domain, signal, begin, keep, standing, replaces }: Issuance) {
  if (standing?.directory === directory) {
    const order = await client.orderAt(standing.url, signal).catch((error: unknown) => {
      if (error instanceof AcmeProblem && !error.isPassing) return undefined
      throw error
    })
    const isAlive = order !== undefined && ['pending', 'ready', 'processing', 'valid'].includes(order.status)
    const isOurs = order?.status === 'pending' || order?.status === 'ready' || standing.key !== undefined
    if (isAlive && isOurs) return { order, key: standing.key }
  }
  await begin()
  // Not ended by ours: an order that was made and not kept would be made again.
  const order: Order = await client.order([domain], AbortSignal.timeout(ORDER_MS_MAX), replaces)
  await keep({ url: order.url, directory })
  return { order, key: undefined }
}

async function authorize({ client, challengeType, signal, publish }: Issuance, url: string): Promise<void> {
  const { status, challenges } = await client.authorization(url, signal)
  if (status === 'valid') return
  const challenge: Challenge | undefined = challenges.find(({ type }) => type === challengeType)
  if (!challenge) throw new AcmeProblem(403, 'unsupported', `The certificate authority does not offer ${challengeType}`)
  // One that it looks at already was answered by us before a crash.
  if (status === 'pending') {
    await publish({ token: challenge.token, keyAuthorization: client.keyAuthorization(challenge.token) })
    if (challenge.status === 'pending') await client.answer(challenge, signal)
  }
  await client.authorized(url, signal)
}
