import type { Build } from './build.ts'
import { type Config, canonical } from './config.ts'

/** How a build is called in summaries: by the commit where there is one. */
export function summariseBuild(user: string, build: Pick<Build, 'sha' | 'image'>): string {
  return `${user} deployed ${build.sha ? build.sha.slice(0, 7) : build.image}`
}

/** What a change of config did, in the words that people know from the first API: `bob added A, changed C and bob changed limits for memory`. */
export function summariseConfig(user: string, previous: Config, next: Config): string {
  const limits = [...(isSame(previous.memory, next.memory) ? [] : ['memory']), ...(isSame(previous.cpu, next.cpu) ? [] : ['cpu'])]
  const parts = [
    describe('', previous.values, next.values),
    limits.length > 0 ? `changed limits for ${limits.join(', ')}` : '',
    describe('lifecycle_post_start ', previous.lifecycle_post_start, next.lifecycle_post_start),
    describe('lifecycle_pre_stop ', previous.lifecycle_pre_stop, next.lifecycle_pre_stop),
    isSame(previous.termination_grace_period, next.termination_grace_period) ? '' : 'changed timeouts for termination_grace_period',
    describe('tag ', previous.tags, next.tags),
    describe('registry info ', previous.registry, next.registry),
    describe('healthcheck info for proc type ', previous.healthcheck, next.healthcheck),
  ]
  const changes = parts.filter(Boolean).map(part => `${user} ${part}`)
  return clip(changes.join(' and ')) || `${user} changed nothing`
}

// It becomes an annotation and a variable of every process.
const LENGTH_MAX = 4000

function clip(text: string): string {
  return text.length > LENGTH_MAX ? `${text.slice(0, LENGTH_MAX)}…` : text
}

/** What replaces the summary of a release that did not come up. */
export function summariseFailure(kind: 'build' | 'config' | 'rollback', user: string, build: Build | undefined): string {
  if (kind === 'build') return `${user} deployed ${build?.uuid.slice(0, 7)} which failed`
  return kind === 'config' ? `${user} deployed a config that failed` : `${user} performed roll back to a release that failed`
}

function isSame(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b)
}

function describe(what: string, previous: Readonly<Record<string, unknown>>, next: Readonly<Record<string, unknown>>): string {
  const keys = (map: Readonly<Record<string, unknown>>, keep: (key: string) => boolean) => Object.keys(map).filter(keep).join(', ')
  const added = keys(next, key => !Object.hasOwn(previous, key))
  const changed = keys(next, key => Object.hasOwn(previous, key) && !isSame(previous[key], next[key]))
  const deleted = keys(previous, key => !Object.hasOwn(next, key))
  return [added && `added ${what}${added}`, changed && `changed ${what}${changed}`, deleted && `deleted ${what}${deleted}`]
    .filter(Boolean)
    .join(', ')
}
