import { type Automatic, type ChallengeType, directoryIndex } from '../domain/automatic.ts'
import type { Authorities, Authority } from './authorities.ts'
import type { Caa, Permission } from './caa.ts'

export interface AuthorityChoice extends Permission {
  readonly authority: Authority
}

export interface ChoiceParts {
  readonly authorities: Authorities
  /** Who is asked for the certificates of an app, the preferred one first. */
  authoritiesOf(app: string): readonly Authority[]
  readonly caa: Caa
  readonly challenge: ChallengeType | 'auto'
}

/** The authority with which an order stands, else the first that takes orders and that the domain's owner permits; else the first, and why not. */
export async function chooseAuthority(record: Automatic, parts: ChoiceParts, signal: AbortSignal): Promise<AuthorityChoice> {
  const { authoritiesOf, authorities: pool, challenge } = parts
  const authorities = authoritiesOf(record.app)
  const types: readonly ChallengeType[] = challenge === 'auto' ? ['http-01', 'tls-alpn-01'] : [challenge]
  const resumed = record.order && authorities.find(({ url }) => url === record.order?.directory)
  if (resumed) return { authority: resumed, types }
  const first = directoryIndex(record, authorities.length)
  const inTurn = [...authorities.slice(first), ...authorities.slice(0, first)]
  const free = inTurn.filter(authority => pool.pausedMs(authority, Date.now()) === 0)
  let preferred: AuthorityChoice | undefined
  for (const authority of free) {
    const choice = { authority, ...(await permissionOf(authority, record.domain, types, parts, signal)) }
    if (choice.why === undefined) return choice
    preferred ??= choice
  }
  return preferred ?? { authority: inTurn[0] as Authority, types }
}

async function permissionOf(
  authority: Authority,
  domain: string,
  types: readonly ChallengeType[],
  { authorities, caa }: ChoiceParts,
  signal: AbortSignal,
): Promise<Permission> {
  try {
    const client = await authorities.open(authority)
    const certifier = { identities: await client.identities(signal), account: () => client.account(signal) }
    return await caa.permission(domain, certifier, types)
  } catch {
    // Whoever cannot be asked now is asked for the order next, and it is told then what is wrong.
    return { types }
  }
}
