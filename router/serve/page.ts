/** In which form a page is written. */
export type PageType = 'html' | 'json' | 'text'

/** What a page may say of the error that it stands for: its placeholders, `{{code}}`. */
export const PLACEHOLDERS = ['code', 'status', 'title', 'detail', 'fault', 'advice', 'request_id'] as const

export type PageValues = Readonly<Record<(typeof PLACEHOLDERS)[number], string>>

/** A page taken apart at its placeholders: text, name, text, name, … text. */
export interface Page {
  readonly type: PageType
  readonly parts: readonly string[]
}

/** Takes a page apart. Braces around anything but a placeholder are text. */
export function templatePage(type: PageType, text: string): Page {
  return { type, parts: text.split(PLACEHOLDER).map((part, index) => (index % 2 === 0 ? asLatin1(part) : part)) }
}

const PLACEHOLDER = new RegExp(`\\{\\{ *(${PLACEHOLDERS.join('|')}) *\\}\\}`)

/** Fills a page: each value is escaped so that it is text in it, whatever it holds. @returns UTF-8 in latin1 */
export function renderPage({ type, parts }: Page, values: PageValues): string {
  let body = parts[0] as string
  for (let index = 1; index < parts.length; index += 2)
    body += asLatin1(ESCAPES[type](values[parts[index] as keyof PageValues])) + parts[index + 1]
  return body
}

const ESCAPES: Record<PageType, (value: string) => string> = {
  html: value => value.replace(/[&<>"'`]/g, character => `&#${character.charCodeAt(0)};`),
  // Also where a script holds the JSON: no `</script>`, no line separator.
  json: value =>
    JSON.stringify(value)
      .slice(1, -1)
      .replace(/[<>&\u2028\u2029]/g, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`),
  text: value => value.replace(/[\x00-\x1f\x7f-\x9f]/g, ' '),
}

/** UTF-8 bytes as a latin1 string, the form in which everything is written. */
function asLatin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}
