import type { Command } from 'commander'
import type { RecentRequest, RouteExplanation } from '../../kernel/contract.ts'
import { addCommand, parseLimit } from '../command.ts'

const SHOWN_DEFAULT = '20'

/** Commands about what reaches an app: its last requests, and whether its domains lead to it. */
export function addTrafficCommands(program: Command): void {
  addCommand<{ limit?: string }>(program, {
    usage: 'requests',
    aliases: ['requests:list'],
    summary: "show an app's last requests",
    details:
      'The router remembers about a hundred of each app: every failure, and of a busy app some of the others. Codes such as R20 are the router’s; queries are not kept',
    ofApp: true,
    options: [['-l, --limit <n>', `how many at most (${SHOWN_DEFAULT})`]],
    examples: ['requests -l 50', "requests --json | jq '.[] | select(.status >= 500)'"],
    async action(context, { limit = SHOWN_DEFAULT }) {
      const requests = await context.api.list<RecentRequest>(context.path('requests/'), parseLimit(limit))
      context.output.result(requests, () => {
        context.output.title(`${context.app} Requests`)
        context.output.table(
          ['time', 'status', 'took', 'endpoint', 'client', 'request'],
          requests.toReversed().map(rowOf),
          'No requests yet, or the router has forgotten them.',
        )
      })
    },
  })
  addCommand<{ from?: string; https?: boolean }>(program, {
    usage: 'why',
    aliases: ['domains:why'],
    summary: 'tell whether the domains of an app lead to it, and why not',
    ofApp: true,
    options: [
      ['--from <address>', 'of a client, where the app has a whitelist'],
      ['--https', 'ask about https'],
    ],
    examples: ['why', 'why --https --from 192.0.2.7'],
    async action(context, { from, https }) {
      const query = new URLSearchParams({ ...(from && { from }), ...(https && { scheme: 'https' }) })
      const { results } = await context.api.get<{ results: (RouteExplanation & { domain: string })[] }>(
        `${context.path('routing/')}?${query}`,
      )
      context.output.result(results, () => {
        context.output.title(`${context.app} Routing`)
        if (results.length === 0) context.output.empty('The app has no domains.')
        for (const row of results) for (const line of linesOf(row)) context.output.line(line)
      })
    },
  })
}

function rowOf({ time, status, code, seconds, endpoint, attempts, client, method, host, path }: RecentRequest): string[] {
  const took = seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`
  const who = endpoint === undefined ? '-' : attempts > 1 ? `${endpoint} (${attempts} tries)` : endpoint
  return [`${time.slice(0, 19)}Z`, code === undefined ? String(status) : `${status} ${code}`, took, who, client, `${method} ${host}${path}`]
}

function linesOf(row: RouteExplanation & { domain: string }): string[] {
  const { domain, outcome, code, location, reason, conditions, endpoints = [], nearMisses = [] } = row
  const answer = outcome === 'forward' ? 'leads to the app' : outcome === 'unknown' ? 'depends on the client' : `is answered ${outcome}`
  return [
    `${domain} ${answer}${code === undefined ? '' : ` (${code})`}${location === undefined ? '' : `: ${location}`}`,
    ...(outcome === 'forward' ? [] : [`  ${reason}`]),
    ...conditions.map(condition => `  ${condition}`),
    ...endpoints.map(one => `  ${one.endpoint} ${stateOf(one)}, ${one.active} under way`),
    ...nearMisses.map(miss => `  ${miss}`),
  ]
}

function stateOf({ isServing, isTerminating, isEjected }: NonNullable<RouteExplanation['endpoints']>[number]): string {
  if (isServing === false) return 'is not ready'
  if (isTerminating) return 'is going away'
  return isEjected ? 'is passed over after failures' : 'serves'
}
