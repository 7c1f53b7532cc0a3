import { STATUS_CODES } from 'node:http'
import { CommandError } from './command-error.ts'

/** An answer that is no success, as far as it is needed to tell why. */
export interface RefusingAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: unknown
}

const TEXT_LENGTH_MAX = 2000

/** Says in the platform's own words why it refused, and what to do where that is known. */
export function refusal(controller: string, answer: RefusingAnswer): CommandError {
  const { status, headers, body } = answer
  if (status < 400) {
    const location = headers['location']
    const origin = typeof location === 'string' ? URL.parse(location, controller)?.origin : undefined
    if (!origin) return new CommandError(`${controller} answered ${named(status)}: is it the API of a platform?`, 3, status)
    return new CommandError(`${controller} sends on to ${origin}: use drycc login ${origin}`, 3, status)
  }
  const isJson = /json/.test(String(headers['content-type'] ?? ''))
  const text = messageOf(body)
  const message = isJson ? text : text.replaceAll('\n', ', ')
  // The router and other things in between answer in text or HTML, the API in JSON.
  if (!isJson && status === 404)
    return new CommandError(`There is no API of a platform at ${controller} (${message || named(status)})`, 3, status)
  if (status === 401 && !/does not match/.test(message))
    return new CommandError(`Not logged in at ${controller}, or the login has ended: use drycc login ${controller}`, 4, status)
  if (status === 429) return new CommandError(`${message || 'Too many requests'}${waitOf(headers['retry-after'])}`, 1, status)
  if (!isJson && status >= 502) return new CommandError(`${controller} cannot answer now: ${message || named(status)}`, 3, status)
  return new CommandError(message || `The platform answered ${named(status)}`, 1, status)
}

function named(status: number): string {
  return `${status} ${STATUS_CODES[status] ?? ''}`.trim()
}

function waitOf(retryAfter: string | string[] | undefined): string {
  return typeof retryAfter === 'string' && /^\d{1,6}$/.test(retryAfter) ? `: try again in ${retryAfter} s` : ''
}

/** The text in a refusal: a bare string, `detail`, or the messages of fields; of a page of HTML its title. */
function messageOf(body: unknown): string {
  if (typeof body === 'string') return textOf(body)
  if (Array.isArray(body)) return body.map(messageOf).join('\n')
  if (typeof body !== 'object' || body === null) return ''
  if ('detail' in body) return String(body.detail)
  return Object.entries(body)
    .map(([field, messages]) => {
      const text = Array.isArray(messages) ? messages.map(messageOf).join(' ') : messageOf(messages) || String(messages)
      return field === 'non_field_errors' ? text : `${field}: ${text}`
    })
    .join('\n')
}

function textOf(body: string): string {
  const text = body.trim()
  if (/^\s*</.test(text)) {
    const [, title = ''] = /<title[^>]*>([^<]*)<\/title>/i.exec(text) ?? []
    return title.replace(/\s+/g, ' ').trim().slice(0, 200)
  }
  if (/^["{[]/.test(text)) {
    try {
      const value = JSON.parse(text) as unknown
      return typeof value === 'string' ? value : messageOf(value)
    } catch {
      // Text that only begins as JSON does is told as it is.
    }
  }
  return text.slice(0, TEXT_LENGTH_MAX)
}
