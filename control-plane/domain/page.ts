import { PAGE_BYTES_MAX, PAGE_NAME } from '../../kernel/contract.ts'
import { type Fields, optionalText, requiredText, secretText } from './fields.ts'
import { invalid } from './refusal.ts'

/** An error or maintenance page of an app; its text stands in a ConfigMap. */
export interface PageRecord {
  /** Where it was fetched; absent: it was given as text. */
  readonly url?: string
  readonly bytes: number
  readonly updated: string
}

/** What a request wants a page to be. */
export type PageWish = { readonly name: string; readonly text: string } | { readonly name: string; readonly url: string }

/** Reads `name` of a request. @throws {Refusal} 400 */
export function parsePageName(fields: Fields): string {
  const name = requiredText(fields, 'name')
  if (!PAGE_NAME.test(name)) throw invalid('name', 'Must be maintenance, error, 5xx, 503 or R20, with .html, .json or .txt')
  return name
}

/** Reads a page: `name`, and either its `body` or the `url` that has it. @throws {Refusal} 400 */
export function parsePage(fields: Fields): PageWish {
  const name = parsePageName(fields)
  const url = optionalText(fields, 'url')
  const text = secretText(fields, 'body')
  if ((url === undefined) === (text === undefined)) throw invalid('body', 'Either body or url is required.')
  if (url !== undefined) return { name, url: checkUrl(url) }
  return { name, text: checkText('body', text as string) }
}

/** @throws {Refusal} 400 under `field` for what the router would not show */
export function checkText(field: 'body' | 'url', text: string): string {
  if (text.trim() === '') throw invalid(field, 'The page is empty.')
  if (Buffer.byteLength(text) > PAGE_BYTES_MAX) throw invalid(field, `The page is larger than ${PAGE_BYTES_MAX / 1024} KB.`)
  return text
}

function checkUrl(text: string): string {
  const url = text.length <= 2000 ? URL.parse(text) : null
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
    throw invalid('url', 'Enter a valid http or https URL without credentials.')
  return url.href
}
