import type { ConfigMap } from 'kubernetes-types/core/v1'
import { PAGE_BYTES_MAX, PAGE_NAME, PAGES_BYTES_MAX } from '../../kernel/contract.ts'
import { type Page, type PageType, renderPage, templatePage } from '../serve/page.ts'

/** Pages by file name, `503.html`, as they travel to the workers. */
export type ErrorPagesSpec = Readonly<Record<string, string>>

/** What a ConfigMap says: the pages that can be used, and why the others cannot. */
export interface ErrorPagesReading {
  readonly pages: ErrorPagesSpec
  readonly faults: readonly { readonly value: string; readonly message: string }[]
}

const SAMPLE = { code: 'R20', status: '503', title: 'T', detail: 'D', fault: 'app', advice: 'A', request_id: 'f00d' }

/** Reads the pages of a ConfigMap, each by itself. A page that cannot be used stays what it last was. */
export function readErrorPages({ data = {}, binaryData = {} }: ConfigMap, lastGood: ErrorPagesSpec = {}): ErrorPagesReading {
  const pages: Record<string, string> = {}
  const faults: { value: string; message: string }[] = []
  let bytes = 0
  for (const [name, text] of Object.entries(data)) {
    const size = Buffer.byteLength(text)
    const fault = pageFault(name, text, size) ?? (bytes + size > PAGES_BYTES_MAX ? 'All pages together are larger than 512 KB' : undefined)
    if (fault === undefined) {
      bytes += size
      pages[name] = text
      continue
    }
    faults.push({ value: name, message: `Cannot use page "${name}": ${fault}` })
    if (Object.hasOwn(lastGood, name)) pages[name] = lastGood[name] as string
  }
  for (const name of Object.keys(binaryData)) faults.push({ value: name, message: `Cannot use page "${name}": it is not text in UTF-8` })
  return { pages, faults }
}

function pageFault(name: string, text: string, size: number): string | undefined {
  if (!PAGE_NAME.test(name)) return 'name it maintenance, error, 5xx, 503 or R20, with .html, .json or .txt'
  if (size > PAGE_BYTES_MAX) return 'it is larger than 128 KB'
  if (!name.endsWith('.json')) return undefined
  try {
    JSON.parse(Buffer.from(renderPage(templatePage('json', text), SAMPLE), 'latin1').toString('utf8'))
    return undefined
  } catch (error) {
    return `it is no JSON when its placeholders are filled: ${(error as Error).message}`
  }
}

/** The pages of one ConfigMap, ready to be filled. */
export class ErrorPages {
  readonly #pages: ReadonlyMap<string, Page>

  constructor(spec: ErrorPagesSpec) {
    this.#pages = new Map(
      Object.entries(spec).map(([name, text]) => {
        const dot = name.lastIndexOf('.')
        const type = TYPES[name.slice(dot + 1)] as PageType
        return [`${name.slice(0, dot)} ${type}`, templatePage(type, text)]
      }),
    )
  }

  /** The page for an error, the most exact name first: `R20`, `503`, `5xx`, `error`; before them `maintenance`, where it is that. */
  find(code: string, status: number, isMaintenance: boolean, type: PageType): Page | undefined {
    const page = isMaintenance ? this.#pages.get(`maintenance ${type}`) : undefined
    if (page !== undefined) return page
    for (const name of [code, status, `${Math.floor(status / 100)}xx`, 'error']) {
      const found = this.#pages.get(`${name} ${type}`)
      if (found !== undefined) return found
    }
    return undefined
  }
}

const TYPES: Readonly<Record<string, PageType>> = { html: 'html', json: 'json', txt: 'text' }
