import type { HookCall, RefUpdate } from './hook.ts'

/** What a push leads to. At most one branch of it is built. */
export interface PushPlan {
  readonly deploy?: RefUpdate
  /** What happens to the rest, for the pusher. */
  readonly notes: readonly string[]
  /** Whether ANSI colours may be sent: only the pusher knows if a terminal reads them. */
  readonly color: boolean
}

const HEADS = 'refs/heads/'
const DEPLOY_BRANCHES = [`${HEADS}main`, `${HEADS}master`]

/**
 * Decides which branch of a push is deployed: `main`, `master`, or the one that deployed first. Before the first deploy any branch may become
 * that one; `-o deploy` deploys whichever branch is pushed. Tags, deletes and other branches are stored, no more.
 *
 * @param head the branch that the repository calls its own, and whether it exists yet
 */
export function planPush(call: HookCall, head: { ref: string; born: boolean }): PushPlan {
  const branches = call.updates.filter(update => update.ref.startsWith(HEADS) && !isDelete(update))
  const preferred = [...DEPLOY_BRANCHES, ...(head.born ? [head.ref] : [])]
  const free = !head.born || call.options.includes('deploy')
  const deploy =
    preferred.map(ref => branches.find(update => update.ref === ref)).find(update => update !== undefined) ??
    (free ? branches[0] : undefined)
  const notes = call.updates
    .filter(update => update !== deploy)
    .map(update => describe(update, head.born ? head.ref : (deploy?.ref ?? head.ref)))
  return {
    ...(deploy ? { deploy } : {}),
    notes: [...unknownOptions(call.options), ...notes],
    color: call.options.includes('color=always'),
  }
}

function isDelete(update: RefUpdate): boolean {
  return /^0+$/.test(update.new)
}

function describe(update: RefUpdate, deployRef: string): string {
  const [kind, name] = update.ref.startsWith(HEADS)
    ? ['branch', update.ref.slice(HEADS.length)]
    : update.ref.startsWith('refs/tags/')
      ? ['tag', update.ref.slice('refs/tags/'.length)]
      : ['ref', update.ref]
  if (isDelete(update)) return `hint: ${kind} "${name}" is deleted; what runs stays as it is`
  if (kind !== 'branch') return `hint: ${kind} "${name}" is stored`
  return `hint: branch "${name}" is stored, not deployed: push to ${deployRef.slice(HEADS.length)}, or push with -o deploy`
}

function unknownOptions(options: readonly string[]): string[] {
  return options
    .filter(option => option !== 'deploy' && !/^color=(always|never|auto)$/.test(option))
    .map(option => `warning: push option "${option}" is not known here: use deploy or color=always`)
}
