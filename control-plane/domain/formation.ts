import { type Build, kindOf } from './build.ts'
import { Refusal, refused } from './refusal.ts'

/** How many processes of each type an app wants. */
export type Formation = Readonly<Record<string, number>>

// More is a slip of the finger; a cluster that could run it is asked through a quota.
const COUNT_MAX = 1000

/**
 * The formation with which a build starts.
 *
 * Types that the last build had and this one lacks go to 0; where the kind of build changes, so do `web` and `cmd`; and an app without
 * any process gets one of `web` or `cmd`.
 *
 * @param previous the build that ran before, if one did
 */
export function formationFor(formation: Formation, previous: Build | undefined, build: Build): Formation {
  const next: Record<string, number> = { ...formation }
  for (const type of Object.keys(previous?.procfile ?? {})) if (!Object.hasOwn(build.procfile, type)) next[type] = 0
  const kindChanged = previous !== undefined && kindOf(previous) !== kindOf(build)
  if (kindChanged) for (const type of ['web', 'cmd']) if (Object.hasOwn(next, type)) next[type] = 0
  const defaults = defaultFormation(build)
  // Where the type that took the traffic has gone with this build, its successor must not start at 0.
  const replaced = previous !== undefined && routableType({}, previous) !== routableType({}, build)
  if (previous === undefined || kindChanged || replaced) for (const [type, count] of Object.entries(defaults)) next[type] ||= count
  return Object.fromEntries(Object.entries(next).filter(([type, count]) => count > 0 || Object.hasOwn(formation, type)))
}

/** What a first deploy runs. */
export function defaultFormation(build: Build): Formation {
  if (Object.hasOwn(build.procfile, 'web')) return { web: 1 }
  if (kindOf(build) !== 'buildpack') return { cmd: 1 }
  return Object.keys(build.procfile).length > 0 ? {} : { web: 1 }
}

/** The process type that takes the app's traffic: `web` where the build has one, else whichever of `web` and `cmd` runs or would run. */
export function routableType(formation: Formation, build: Build): 'web' | 'cmd' | undefined {
  if (Object.hasOwn(build.procfile, 'web')) return 'web'
  for (const type of ['web', 'cmd'] as const) if (formation[type]) return type
  const byDefault = defaultFormation(build)
  return Object.hasOwn(byDefault, 'web') ? 'web' : Object.hasOwn(byDefault, 'cmd') ? 'cmd' : undefined
}

/**
 * Reads the wish of a scale request.
 *
 * @param build what runs; its types and `cmd` may be scaled, and what it no longer has may be set to 0
 * @throws {Refusal} 400 for what is no count, 404 for an unknown type
 */
export function parseScale(request: Readonly<Record<string, unknown>>, formation: Formation, build: Build): Formation {
  const wish = Object.entries(request).map(([type, value]): [string, number] => {
    const count = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value
    if (typeof count !== 'number' || !Number.isInteger(count)) throw refused(`Invalid scaling format: invalid literal for count of ${type}`)
    if (count < 0) throw refused('Invalid scaling format: Must be greater than or equal to zero')
    if (count > COUNT_MAX) throw refused(`Invalid scaling format: at most ${COUNT_MAX} of a type`)
    return [type, count]
  })
  for (const [type, count] of wish) {
    const isKnown = isRunnable(build, type, count) || type === 'cmd' || (count === 0 && Object.hasOwn(formation, type))
    if (!isKnown) throw new Refusal(404, { detail: `Container type ${type} does not exist in application` })
  }
  return Object.fromEntries(wish)
}

/**
 * Whether a build has processes of a type: a line of its procfile, or what its image does by default. `cmd` is the image's own command, for
 * who asks for it.
 */
export function isRunnable(build: Build, type: string, count: number): boolean {
  if (Object.hasOwn(build.procfile, type) || Object.hasOwn(defaultFormation(build), type)) return true
  return type === 'cmd' && (count > 0 || kindOf(build) !== 'buildpack')
}
