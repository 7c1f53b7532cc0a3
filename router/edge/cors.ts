import { headValue } from '../http1/fields.ts'
import type { Reply } from '../serve/errors.ts'
import type { Exchange } from '../serve/exchange.ts'
import type { Cors } from '../table/edge.ts'

/** The answer to a preflight, `undefined` for any other request. Who may read what follows {@link corsLines} says, as on every answer. */
export function preflightReply({ head }: Exchange, cors: Cors): Reply | undefined {
  if (head.method !== 'OPTIONS' || headValue(head.raw, 'access-control-request-method') === '' || headValue(head.raw, 'origin') === '')
    return undefined
  return { status: 204, fields: cors.preflight, body: '' }
}

/** What is added to each answer of an app, ours and errors among them, so that a page can read why it failed. */
export function corsLines({ head }: Exchange, cors: Cors): string {
  if (cors.any) return `Access-Control-Allow-Origin: *\r\n${cors.lines}`
  const origin = headValue(head.raw, 'origin')
  // Caches must keep the answers to different pages apart, those to no page too.
  if (origin === '' || !cors.allows(origin)) return 'Vary: Origin\r\n'
  return `Access-Control-Allow-Origin: ${origin}\r\n${cors.lines}Vary: Origin\r\n`
}

/** An app's header lines without its own words about CORS: two of them are none to a browser. */
export function withoutCors(fields: string): string {
  return fields.replace(/^access-control-(?:allow|expose|max)-[a-z-]*:[^\r]*\r\n/gim, '')
}
