import { withoutTrailingBlanks } from '../http1/fields.ts'
import type { Exchange } from './exchange.ts'
import { newRequestId } from './headers.ts'

// Version 00, or a later one, whose first four fields mean the same and which may have more (W3C Trace Context §3.2.2, §4.3).
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/
const PARENT_LINE = /(?:^|\r\n)traceparent:[\t ]*([^\r]*)/gi
const TRACE_LINES = /^(?:traceparent|tracestate):[^\r]*\r\n/gim

/**
 * Makes an exchange part of a trace: of the client's, which passes on untouched, as this router records no span that could stand between; or,
 * where the client has none that is valid, of a new one, without the tracestate that came with it.
 *
 * @param sampledPercent how many of the new ones are to be recorded by the app
 * @see https://www.w3.org/TR/trace-context/#mutating-the-traceparent-field
 */
export function joinTrace(exchange: Exchange, sampledPercent: number): void {
  const { fields } = exchange.head
  const traceId = traceIdIn(fields)
  if (traceId !== '') {
    exchange.traceId = traceId
    return
  }
  exchange.traceId = newRequestId()
  const flags = Math.random() * 100 < sampledPercent ? '01' : '00'
  exchange.fields = `${fields.replace(TRACE_LINES, '')}traceparent: 00-${exchange.traceId}-${newRequestId().slice(16)}-${flags}\r\n`
}

/** The trace that header lines name, once and as they should; '' for none. The text is no part of the request's. */
export function traceIdIn(lines: string): string {
  const values = [...lines.matchAll(PARENT_LINE)]
  const match = values.length === 1 ? TRACEPARENT.exec(withoutTrailingBlanks(values[0]?.[1] ?? '')) : null
  if (match === null || (match[2] !== undefined && match[0].startsWith('00'))) return ''
  return copied(match[1] as string)
}

/** A trusted peer's id where it is one word of a reasonable length; '' for anything else. The text is no part of the request's. */
export function keptRequestId({ head, downstream, table }: Exchange): string {
  if (head.idFields === '' || !downstream.client.trusted(table.settings)) return ''
  const ids = [...head.idFields.matchAll(/^x-request-id:[\t ]*([^\r]*)/gim)]
  const id = ids.length === 1 ? withoutTrailingBlanks(ids[0]?.[1] as string) : ''
  return /^[\w.:+/=@-]{1,128}$/.test(id) ? copied(id) : ''
}

/** A piece of a request keeps the whole of its head in memory for as long as somebody remembers it. */
function copied(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}
