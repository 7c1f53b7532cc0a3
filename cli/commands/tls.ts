import type { Command } from 'commander'
import { addCommand } from '../command.ts'
import { CommandError } from '../command-error.ts'
import type { Context } from '../context.ts'

interface ServedDomain {
  readonly domain: string
  readonly source: string
  readonly name?: string
  readonly names?: readonly string[]
  readonly issuer?: string
  readonly days_left?: number
  readonly reason?: string
}

interface Tls {
  readonly https_enforced: boolean | null
  readonly certs_auto_enabled?: boolean | null
  readonly certs_on_demand?: boolean
  readonly on_demand_ask?: string
  readonly issuer?: { readonly email: string; readonly server: string; readonly key_id: string }
  readonly certificates?: readonly ServedDomain[]
}

interface IssuerOptions {
  readonly server?: string
  readonly email?: string
  readonly keyId?: string
  readonly keySecret?: string
  readonly reset?: boolean
}

interface OnDemandOptions {
  readonly ask?: string
}

/** Commands about HTTPS: whether it is enforced, and by what certificates domains are served. */
export function addTlsCommands(program: Command): void {
  addCommand(program, {
    usage: 'tls [words...]',
    aliases: ['tls:info'],
    summary: 'show how an app is served over HTTPS',
    details: 'For each domain its certificate, who issued it, how long it lasts, and why there is none',
    examples: ['tls', 'tls auto on', 'tls enable'],
    ofApp: true,
    async action(context, _, ...words) {
      if (words.length > 0) return change(context, words)
      const tls = await context.api.get<Tls>(context.path('tls/'))
      context.output.result(tls, () => show(context, tls))
    },
  })
  for (const [word, value, summary] of [
    ['enable', true, 'send every plain request to HTTPS'],
    ['disable', false, 'answer plain requests too'],
  ] as const)
    addCommand(program, { usage: `tls:${word}`, summary, ofApp: true, action: context => enforce(context, value) })
  addCommand(program, {
    usage: 'tls:auto <on|off>',
    summary: 'get certificates for the domains of an app by themselves, or no longer',
    details:
      'A domain gets one when its DNS leads to the platform; drycc tls tells how far it is. A certificate attached by hand goes before',
    examples: ['tls:auto on'],
    ofApp: true,
    action: (context, _, word) => automate(context, word ?? ''),
  })
  addCommand<OnDemandOptions>(program, {
    usage: 'tls:on-demand <on|off>',
    summary: 'get certificates for names within the wildcards of an app when clients ask for them',
    details:
      'Each name is asked for: GET ...?domain=NAME, allowed by 200 and nothing else, at a path of the app itself or at an https address',
    options: [['--ask <path>', 'whom to ask; nobody but the platform where it is empty']],
    examples: ['tls:on-demand on --ask /internal/may-have-certificate', 'tls:on-demand off'],
    ofApp: true,
    action: (context, { ask }, word) => allowOnDemand(context, word ?? '', ask),
  })
  addCommand<IssuerOptions>(program, {
    usage: 'tls:issuer',
    summary: 'choose who issues the certificates of an app',
    details: "Any authority with an ACME directory; what is not named stays, --reset takes the platform's again",
    options: [
      ['--server <url>', 'the address of its directory'],
      ['--email <address>', 'whom it may write to'],
      ['--key-id <id>', 'of an account at its own site, where it wants one'],
      ['--key-secret <key>', 'the HMAC key of that account'],
      ['--reset', 'choose nobody'],
    ],
    examples: ['tls:issuer --server https://acme.example.com/directory --email me@example.com'],
    ofApp: true,
    async action(context, { server, email, keyId, keySecret, reset }) {
      const given = { server, email, key_id: keyId, key_secret: keySecret }
      const issuer = reset ? null : Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
      if (issuer !== null && Object.keys(issuer).length === 0) throw new CommandError('Name --server, --email or both, or --reset', 2)
      const tls = await context.api.post<Tls>(context.path('tls/'), { issuer })
      context.output.done(tls, `Certificates of ${context.app} come from ${tls.issuer?.server || "the platform's authority"}`)
    },
  })
}

/** The newer spelling, with blanks. */
function change(context: Context, [topic = '', word = '', ...rest]: string[]): Promise<void> {
  if (topic === 'auto' && rest.length === 0) return automate(context, word)
  if (topic === 'on-demand' && rest.length === 0) return allowOnDemand(context, word, undefined)
  if ((topic === 'enable' || topic === 'disable') && word === '') return enforce(context, topic === 'enable')
  throw new CommandError(
    `Cannot read "tls ${[topic, word, ...rest].join(' ').trim()}": write tls, tls auto on, tls auto off, tls enable`,
    2,
  )
}

async function enforce(context: Context, value: boolean): Promise<void> {
  const tls = await context.api.post<Tls>(context.path('tls/'), { https_enforced: value })
  context.output.done(tls, `HTTPS is ${value ? '' : 'not '}enforced for ${context.app}`)
}

async function automate(context: Context, word: string): Promise<void> {
  const isOn = readSwitch(word)
  const tls = await context.api.post<Tls>(context.path('tls/'), { certs_auto_enabled: isOn })
  context.output.done(tls, `Automatic certificates are ${isOn ? 'on' : 'off'} for ${context.app}`)
}

async function allowOnDemand(context: Context, word: string, ask: string | undefined): Promise<void> {
  const body = { certs_on_demand: readSwitch(word), ...(ask !== undefined && { on_demand_ask: ask }) }
  const tls = await context.api.post<Tls>(context.path('tls/'), body)
  context.output.done(tls, `Certificates on demand are ${body.certs_on_demand ? 'on' : 'off'} for ${context.app}`)
}

function readSwitch(word: string): boolean {
  if (!/^(on|off|enable|disable)$/.test(word)) throw new CommandError(`Cannot read "${word}": write on or off`, 2)
  return word === 'on' || word === 'enable'
}

function show({ app, output }: Context, tls: Tls): void {
  const { https_enforced, certs_auto_enabled, certs_on_demand, on_demand_ask, issuer, certificates = [] } = tls
  output.line(`HTTPS is ${https_enforced ? '' : 'not '}enforced for ${app}`)
  output.line(
    `Automatic certificates are ${certs_auto_enabled ? 'on' : 'off'} for ${app}${issuer?.server ? `, issued by ${issuer.server}` : ''}`,
  )
  if (certs_on_demand) output.line(`Certificates come on demand for ${app}${on_demand_ask ? `, where ${on_demand_ask} allows them` : ''}`)
  if (certificates.length === 0) return
  output.line()
  const rows = certificates.map(({ domain, source, name, names = [], issuer: by = '', days_left }) => [
    domain,
    source === 'attached' ? `${name}, by hand` : source === 'automatic' ? 'automatic' : 'none',
    names.join(','),
    by.replace(/^.*\/CN=/, ''),
    days_left === undefined ? '' : String(days_left),
  ])
  output.table(['domain', 'certificate', 'names', 'issuer', 'days left'], rows, '')
  for (const { domain, reason } of certificates) if (reason !== undefined) output.line(`\n${domain}: ${reason}`)
}
