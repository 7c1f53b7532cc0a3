import type { LogRecord } from './record.ts'

/**
 * A line as the classic clients show it: `2026-11-22T18:00:00+00:00 shop[web.v3.k2x9f]: text`, and `… deis[controller]: INFO text` for the
 * platform's own. Control characters that could steer a terminal are left out; colours stay.
 */
export function formatClassic(app: string, record: LogRecord): string {
  const level = record.source === 'app' ? '' : `${record.level ?? 'INFO'} `
  return `${record.ts.slice(0, 19)}+00:00 ${subject(app, record)}: ${level}${withoutControls(record.text)}\n`
}

/** A line as a program reads it: one JSON object, with its app. */
export function formatJson(app: string, record: LogRecord): string {
  return `${JSON.stringify({ app, ...record })}\n`
}

function subject(app: string, record: LogRecord): string {
  if (record.source !== 'app') return `deis[${record.source}]`
  const suffix = record.pod?.split('-').at(-1)
  const parts = [record.process ?? 'app', record.release, suffix].filter(Boolean)
  return `${app}[${parts.join('.')}]`
}

/** Leaves out C0 and C1 controls and every escape sequence but colours (SGR), as git does with what comes from a remote side. */
function withoutControls(text: string): string {
  if (!/[\x00-\x08\x0a-\x1f\x7f-\x9f]/.test(text)) return text
  return text
    .replace(/\x1b\](?:[^\x07\x1b]|\x1b(?!\\))*(?:\x07|\x1b\\)?/g, '')
    .replace(/\x1b\[([0-9;]*)([@-~])/g, (sequence, _, final) => (final === 'm' ? sequence : ''))
    .replace(/\x1b(?!\[[0-9;]*m)[\s\S]?/g, '')
    .replace(/[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f-\x9f]/g, '')
}
