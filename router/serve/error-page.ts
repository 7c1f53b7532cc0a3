import { headValue } from '../http1/fields.ts'
import { parseAccepted } from './accept.ts'
import { ERRORS, type ErrorCode, type ErrorKind, type Fault, reasonOf } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { type Page, type PageType, type PageValues, renderPage, templatePage } from './page.ts'

/** The page of an error, ready to be sent. */
export interface ErrorPage {
  /** Header lines, each with its CRLF. */
  readonly fields: string
  /** UTF-8 in latin1. */
  readonly body: string
}

/**
 * The page of an error in the form that the client's Accept header likes best: HTML, JSON or text.
 *
 * @param exchange undefined when what came was no request
 */
export function errorPage(code: ErrorCode, exchange: Exchange | undefined): ErrorPage {
  const kind: ErrorKind = ERRORS[code]
  const type = exchange === undefined ? 'text' : choosePageType(headValue(exchange.head.raw, 'accept'))
  const isMaintenance = code === 'R21' && exchange?.route?.policy.isDelegated !== true
  const values = {
    code,
    status: String(kind.status),
    title: isMaintenance ? 'Site Maintenance' : reasonOf(kind.status),
    detail: kind.text,
    fault: kind.fault,
    advice: ADVICE[kind.fault],
    request_id: exchange?.requestId ?? '',
  }
  const retry = kind.retryAfterSeconds === undefined ? '' : `Retry-After: ${kind.retryAfterSeconds}\r\n`
  const allow = code === 'R11' ? 'Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n' : ''
  const fields = `Content-Type: ${MEDIA_TYPES[type]}\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n${retry}${allow}`
  const own = exchange === undefined ? undefined : ownPage(exchange, code, kind.status, isMaintenance, type)
  return { fields, body: renderPage(own ?? builtIn(type, values), values) }
}

/** The app's page for an error, else the router's: first where maintenance is meant to stand, then where errors do. */
function ownPage(exchange: Exchange, code: ErrorCode, status: number, isMaintenance: boolean, type: PageType): Page | undefined {
  const { table, route } = exchange
  for (const sources of [route?.policy.pages, table.settings.pages]) {
    if (sources === undefined) continue
    for (const key of [isMaintenance ? sources.maintenance : undefined, sources.errors]) {
      const page = key === undefined ? undefined : table.pages(key)?.find(code, status, isMaintenance, type)
      if (page !== undefined) return page
    }
  }
  return undefined
}

const ADVICE: Record<Fault, string> = {
  client: 'The request was the problem, not the app: please check the address and what was sent.',
  operator: 'This was decided by those who run this address; nothing is wrong with your request.',
  app: 'The app behind this address is at fault; the way to it works, and nothing is wrong with your request.',
  router: 'The fault is ours, neither yours nor the app’s.',
}

const MEDIA_TYPES: Record<PageType, string> = {
  html: 'text/html; charset=utf-8',
  json: 'application/json',
  text: 'text/plain; charset=utf-8',
}

/**
 * Which form of a page a client would rather have (RFC 9110 §12.5.1): the heaviest, among equals the one named first; text where it likes
 * none, or has no preference.
 */
export function choosePageType(accept: string): PageType {
  if (accept === '' || accept === '*/*') return 'text'
  const weights: Record<PageType, number> = { text: -1, html: -1, json: -1 }
  const named: PageType[] = []
  let anyText = -1
  let anyApplication = -1
  let any = -1
  for (const { name, weight } of parseAccepted(accept)) {
    const type = pageTypeOf(name)
    if (type !== undefined) {
      weights[type] = Math.max(weights[type], weight)
      named.push(type)
    } else if (name === 'text/*') anyText = weight
    else if (name === 'application/*') anyApplication = weight
    else if (name === '*/*') any = weight
  }
  const weightOf = (type: PageType) => {
    if (weights[type] >= 0) return weights[type]
    const range = type === 'json' ? anyApplication : anyText
    return range >= 0 ? range : any
  }
  let chosen: PageType = 'text'
  let heaviest = 0
  for (const type of [...named, 'text', 'html', 'json'] as const) {
    const weight = weightOf(type)
    if (weight <= heaviest) continue
    heaviest = weight
    chosen = type
  }
  return chosen
}

function pageTypeOf(name: string): PageType | undefined {
  if (name === 'text/html' || name === 'application/xhtml+xml') return 'html'
  if (name === 'text/plain') return 'text'
  return /^application\/(?:[^/]+\+)?json$/.test(name) ? 'json' : undefined
}

const built = new Map<string, Page>()

/** There are as many as codes and types, whoever asks. */
function builtIn(type: PageType, values: PageValues): Page {
  const key = `${values.code} ${values.title} ${type} ${values.request_id === ''}`
  let page = built.get(key)
  if (page === undefined) {
    page = templatePage(type, BUILT_IN[type](values.request_id !== ''))
    built.set(key, page)
  }
  return page
}

const BUILT_IN: Record<PageType, (hasId: boolean) => string> = {
  text: hasId => `{{status}} {{title}}\n{{detail}} ({{code}})\n{{advice}}\n${hasId ? 'Request {{request_id}}\n' : ''}`,
  json: hasId =>
    `{"error":{"code":"{{code}}","status":{{status}},"title":"{{title}}","detail":"{{detail}}","fault":"{{fault}}"${hasId ? ',"requestId":"{{request_id}}"' : ''}}}\n`,
  html: hasId => `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{title}}</title>
<style>
:root { color-scheme: light dark; --ground: #f5f6f8; --sheet: #fff; --ink: #1c2330; --quiet: #5b6472; --line: #dfe3e8; --mark: #b3423a }
@media (prefers-color-scheme: dark) {
  :root { --ground: #12151a; --sheet: #1b2027; --ink: #e8ebf0; --quiet: #9aa4b2; --line: #2d343e; --mark: #f0877e }
}
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; min-height: 100dvh; display: grid; place-items: center; padding: 1rem;
  background: var(--ground); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif }
main { width: 100%; max-width: 34rem; padding: clamp(1.5rem, 6vw, 2.75rem); background: var(--sheet);
  border: 1px solid var(--line); border-radius: .75rem; border-top: .25rem solid var(--mark) }
.status { margin: 0; color: var(--mark); font-weight: 600; letter-spacing: .02em }
h1 { margin: .1rem 0 .9rem; font-size: clamp(1.4rem, 5vw, 1.85rem); line-height: 1.2 }
p { margin: 0 0 .6rem }
.advice { color: var(--quiet) }
dl { margin: 1.6rem 0 0; padding-top: 1rem; border-top: 1px solid var(--line); display: grid; grid-template-columns: auto 1fr;
  gap: .15rem 1rem; font-size: .875rem; color: var(--quiet) }
dt { margin: 0 }
dd { margin: 0; font-family: ui-monospace, monospace; color: var(--ink); overflow-wrap: anywhere; user-select: all }
</style>
</head>
<body>
<main>
<p class="status">{{status}}</p>
<h1>{{title}}</h1>
<p>{{detail}}.</p>
<p class="advice">{{advice}}</p>
<dl>
<dt>Code</dt><dd>{{code}}</dd>
${hasId ? '<dt>Request</dt><dd>{{request_id}}</dd>\n' : ''}</dl>
</main>
</body>
</html>
`,
}
