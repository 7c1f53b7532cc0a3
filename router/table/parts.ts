import type { TableDelta } from './spec.ts'

/** A worker takes so many in some milliseconds, between two requests. */
const PART_ENTRIES = 200

/**
 * Splits a whole table into changes that are small each. What others name comes before them (certificates, then routes, then hosts), so that
 * whoever serves meanwhile finds no host without its route; what has gone goes last.
 *
 * @param before what the receiver has; absent: nothing that it should keep
 */
export function* tableParts(table: TableDelta, before?: TableDelta): Generator<TableDelta, void> {
  const { routes, hosts, certificates, pages = [], credentials = [], staples = [], ...rest } = table
  const part = (change: Partial<TableDelta>): TableDelta => ({
    ...{ version: table.version, whole: false, routes: [], hosts: [], certificates: [] },
    ...change,
  })
  yield part({
    ...rest,
    whole: before === undefined,
    pages: [...pages, ...gone(before?.pages, pages)],
    credentials: [...credentials, ...gone(before?.credentials, credentials)],
    // A listener that began without it would show another one first.
    certificates: certificates.filter(([key]) => key === table.defaultCertificate),
  })
  for (const entries of slices(certificates)) yield part({ certificates: entries })
  for (const entries of slices(staples)) yield part({ staples: entries })
  for (const entries of slices(routes)) yield part({ routes: entries })
  for (const entries of slices(hosts)) yield part({ hosts: entries })
  for (const entries of slices(gone(before?.hosts, hosts))) yield part({ hosts: entries })
  for (const entries of slices(gone(before?.routes, routes))) yield part({ routes: entries })
  for (const entries of slices(gone(before?.certificates, certificates))) yield part({ certificates: entries })
}

type Entries = readonly (readonly [key: string, value: unknown])[]

/** What removes the entries that are no more. */
function gone(before: Entries = [], now: Entries): (readonly [string, null])[] {
  if (before.length === 0) return []
  const keys = new Set(now.map(([key]) => key))
  return before.flatMap(([key]) => (keys.has(key) ? [] : [[key, null] as const]))
}

function* slices<T>(entries: readonly T[]): Generator<readonly T[], void> {
  for (let from = 0; from < entries.length; from += PART_ENTRIES) yield entries.slice(from, from + PART_ENTRIES)
}
