import type { RouteExplanation } from '../../kernel/contract.ts'
import { Refusal } from '../domain/refusal.ts'
import type { Records } from '../records.ts'
import { type RouterPages, RouterSilent } from '../router-pages.ts'
import type { AppCall } from './call.ts'
import { page } from './page.ts'
import type { Routes } from './routes.ts'

export interface TrafficParts {
  readonly records: Records
  /** Absent where no router's admin port is configured. */
  readonly router: RouterPages | undefined
  readonly platformDomain: string
}

/** What the routers know of an app, for those who may use it: its last requests, and whether its domains lead to it. */
export function trafficRoutes(routes: Routes, { records, router, platformDomain }: TrafficParts): void {
  routes.app('/requests/', {
    async GET(call) {
      const requests = await asked(router, router => router.requests(call.app.id, call.gone))
      return page(call, requests, request => request)
    },
  })

  routes.app('/routing/', {
    async GET(call) {
      const scheme = call.query.get('scheme') === 'https' ? 'https' : 'http'
      const from = call.query.get('from') ?? undefined
      const domains = records.domains.list(call.app.id).map(({ domain }) => domain)
      const explained = await asked(router, router =>
        Promise.all(
          domains.sort().map(async domain => {
            const host = hostOf(domain, platformDomain)
            const answer = await router.why({ host, scheme, ...(from !== undefined && { from }) }, call.gone)
            return { domain, ...forOwner(answer, call) }
          }),
        ),
      )
      return page(call, explained, row => row)
    },
  })
}

async function asked<T>(router: RouterPages | undefined, ask: (router: RouterPages) => Promise<T>): Promise<T> {
  if (!router) throw new Refusal(503, { detail: 'This platform has no router to ask (CONTROLLER_ROUTER_ADMIN_URL)' })
  try {
    return await ask(router)
  } catch (error) {
    if (error instanceof RouterSilent) throw new Refusal(503, { detail: 'No router answers, try again in a moment' }, { cause: error })
    throw error
  }
}

/** A name that the domain stands for: of a wildcard any one. */
function hostOf(domain: string, platformDomain: string): string {
  const host = domain.replace(/^\*/, 'any')
  return host.includes('.') ? host : `${host}.${platformDomain}`
}

/** Who has a domain that is not his may know that, but nothing of the other: neither its pods nor its faults. */
function forOwner(answer: RouteExplanation, { app }: AppCall): RouteExplanation {
  const isOwn = answer.service?.startsWith(`${app.id}/`) === true
  const { endpoints, nearMisses = [], service, ...rest } = answer
  const own = nearMisses.filter(miss => miss.startsWith(`${app.id}/`))
  if (isOwn) return { ...rest, ...(service !== undefined && { service }), ...(endpoints && { endpoints }), nearMisses: own }
  const { host, outcome, code } = rest
  const reason = answer.service === undefined ? rest.reason : 'Another app has this domain'
  return { host, outcome, ...(code !== undefined && { code }), reason, conditions: [], nearMisses: own }
}
