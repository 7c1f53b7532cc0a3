import type { Fault } from './annotations.ts'
import type { App } from './app.ts'
import type { RouterAnnotations } from './settings.ts'
import type { RouteSpec } from './spec.ts'

/** A line of `/routes`. */
export interface AppReport {
  readonly service: string
  readonly app: string
  readonly hosts: readonly string[]
  readonly route: RouteSpec | undefined
  readonly faults: readonly Fault[]
  readonly ignored: readonly string[]
}

/** Which lines of `/routes`, in the order of their keys. */
export interface ReportFilter {
  readonly app?: string
  readonly service?: string
  /** Only those that have any. */
  readonly faults?: boolean
  /** The key of the last line of the page before. */
  readonly after?: string
  readonly limit?: number
}

/** A page of `/routes`. */
export interface Report {
  readonly router: Pick<RouterAnnotations, 'faults' | 'ignored'>
  readonly apps: readonly AppReport[]
  /** After which key the next page begins; absent: this is the last. */
  readonly next?: string
}

/** What a report is made of. */
export interface Reported {
  readonly apps: ReadonlyMap<string, App>
  readonly routes: ReadonlyMap<string, RouteSpec>
  faultsOf(key: string): readonly Fault[]
  /** The patterns of hosts that an app has. */
  hostsOf(key: string): readonly string[]
}

/** The lines that are wanted, and where the next page begins. */
export function reportApps({ apps, routes, faultsOf, hostsOf }: Reported, wanted: ReportFilter): Pick<Report, 'apps' | 'next'> {
  const after = wanted.after ?? ''
  const keys = [...apps.values()]
    .filter(({ key, name }) => key > after && key === (wanted.service ?? key) && name === (wanted.app ?? name))
    .filter(({ key }) => !wanted.faults || faultsOf(key).length > 0)
    .map(({ key }) => key)
    .sort()
  const limit = wanted.limit ?? keys.length
  const lines = keys.slice(0, limit).map(key => {
    const { name, ignored } = apps.get(key)!
    return { service: key, app: name, hosts: hostsOf(key), route: routes.get(key), faults: faultsOf(key), ignored }
  })
  return { apps: lines, ...(keys.length > limit && { next: keys[limit - 1]! }) }
}
