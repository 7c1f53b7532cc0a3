import type { Readable } from 'node:stream'
import type { Log } from '../../kernel/log.ts'
import type { ProcessGroup } from '../process-group.ts'
import type { AppLocks } from './app-locks.ts'
import { type ReceiveLimits, startGitService } from './git.ts'
import type { GitService } from './git-command.ts'
import { answerHook, type HookCall, type RefUpdate } from './hook.ts'
import { FLUSH, pktLine, remoteError, sidebandError } from './pkt-line.ts'
import { planPush } from './plan-push.ts'
import type { Repositories } from './repository.ts'

/** One push, fetch or clone of a user who may use the app. Both doors, SSH and HTTP, make one of their client. */
export interface GitRequest {
  readonly service: GitService
  readonly app: string
  readonly user: string
  readonly protocol?: string | undefined
  /** HTTP: the client has read the refs before, and this is the second half. */
  readonly stateless: boolean
  readonly input: Readable
  /** Resolves when the client can take more, or at once when it has gone; never rejects. */
  write(chunk: Uint8Array): Promise<void>
  writeError?(text: string): void
  /** Fires when the client has gone. */
  readonly gone: AbortSignal
}

/** A branch to be built and deployed, while git holds its objects back. */
export interface Push {
  readonly app: string
  readonly user: string
  readonly repository: string
  readonly quarantine: string
  readonly update: RefUpdate
  readonly color: boolean
  /** Sends text to the pusher. */
  write(text: string): Promise<void>
  /** Fires when the pusher has gone, until {@link releasing}. */
  readonly signal: AbortSignal
  /** From here on the push is carried through, whether its client waits for it or not. @throws when it was cancelled already */
  releasing(): void
}

export const BUSY = 'Another git push is ongoing'

/** After TERM, git gets this long to clean up; with it the lock is free again within two seconds of a client's Ctrl-C. */
const STOP_GRACE_MS = 1000

/** Runs git for the clients of both doors, one push per app at a time, and hands what is to be deployed on. */
export class GitServer {
  readonly #parts: GitServerParts
  readonly #sessions = new Set<{ cancel(reason: string): void; done: Promise<unknown> }>()

  constructor(parts: GitServerParts) {
    this.#parts = parts
  }

  /** Lists an app's refs for smart HTTP. The lock is only looked at: between this request and the next it could not be held. */
  async advertise(request: Omit<GitRequest, 'stateless'>): Promise<void> {
    const { service, app } = request
    await request.write(Buffer.concat([pktLine(`# service=${service}\n`), Buffer.from(FLUSH)]))
    if (service === 'git-receive-pack' && this.#parts.locks.isHeld(app)) return request.write(remoteError(BUSY))
    const repository = await this.#open(app)
    await this.#send({ ...request, stateless: true }, startGitService(service, repository, { ...this.#options(request), advertise: true }))
  }

  /** @returns the exit code for the client: that of git, or 128 for a refusal */
  async serve(request: GitRequest): Promise<number> {
    // Whoever waits for the input's end learns of a fault there; nobody may be waiting when it comes.
    request.input.on('error', () => {})
    if (request.service === 'git-upload-pack') {
      const repository = await this.#open(request.app)
      return this.#send(request, startGitService(request.service, repository, this.#options(request)))
    }
    const release = this.#parts.locks.tryAcquire(request.app)
    if (!release) {
      this.#parts.onResult('busy')
      if (request.stateless) await drained(request)
      await request.write(request.stateless ? sidebandError(BUSY) : remoteError(BUSY))
      return 128
    }
    try {
      return await this.#receive(request, await this.#open(request.app))
    } finally {
      release()
    }
  }

  /** Cancels what can be cancelled and waits for what is being released. */
  async stop(): Promise<void> {
    for (const session of this.#sessions) session.cancel('the builder stops')
    await Promise.allSettled(Array.from(this.#sessions, session => session.done))
  }

  #open(app: string): Promise<string> {
    return this.#parts.repositories.open(app, this.#parts.ownerOf(app))
  }

  #options({ protocol, stateless }: { protocol?: string | undefined; stateless?: boolean }) {
    return { protocol, limits: this.#parts.limits, stateless: stateless ?? true }
  }

  /** A list of refs, a fetch or a clone. */
  async #send(request: GitRequest, group: ProcessGroup): Promise<number> {
    const cancel = () => void group.stop(STOP_GRACE_MS)
    const idle = new IdleLimit(this.#parts.idleTimeoutMs, cancel)
    try {
      return await this.#join(request, group, { cancel, idle })
    } finally {
      idle.end()
    }
  }

  async #receive(request: GitRequest, repository: string): Promise<number> {
    const { app } = request
    const { repositories } = this.#parts
    const group = startGitService(request.service, repository, this.#options(request))
    const build = new AbortController()
    let state: 'receiving' | 'building' | 'releasing' | 'cancelled' = 'receiving'
    let head: { ref: string; born: boolean } | undefined
    let deployed: string | undefined

    const cancel = (reason: string) => {
      if (state === 'releasing' || state === 'cancelled') return
      state = 'cancelled'
      this.#parts.log.info('push cancelled', { app, reason })
      this.#parts.onResult('cancelled')
      build.abort(new Error(`The push was cancelled: ${reason}`))
      void group.stop(STOP_GRACE_MS)
    }
    const idle = new IdleLimit(this.#parts.idleTimeoutMs, () => cancel('nothing was sent'))

    const receiveHook = async (call: HookCall, write: (text: string) => Promise<void>): Promise<boolean> => {
      idle.end()
      head = await repositories.head(app)
      const plan = planPush(call, head)
      if (plan.notes.length > 0) await write(plan.notes.map(note => `${printable(note)}\n`).join(''))
      if (!plan.deploy || state !== 'receiving') return state === 'receiving'
      state = 'building'
      const accepted = await this.#parts.onPush({
        ...{ app, user: request.user, repository, quarantine: call.quarantine, update: plan.deploy, color: plan.color },
        write,
        signal: build.signal,
        releasing() {
          build.signal.throwIfAborted()
          state = 'releasing'
        },
      })
      if (state === 'building') state = 'receiving'
      if (accepted) deployed = plan.deploy.ref
      return accepted
    }
    const hook = answerHook(group.child.stdio, receiveHook).catch(error => {
      this.#parts.log.error('push failed', { app, error })
    })
    // Whatever ended git, nobody is left to take the result of a build.
    group.exited.catch(() => {}).finally(() => state === 'building' && cancel('git has ended'))

    try {
      const code = await this.#join(request, group, { cancel, idle, until: hook })
      if (code === 0 && deployed && head && !head.born && head.ref !== deployed) await repositories.setHead(app, deployed)
      return code
    } finally {
      idle.end()
      // A killed receive-pack may leave its quarantine; the lock is still held, so nobody else's can be there.
      if ((state as string) === 'cancelled') await repositories.sweep(app)
    }
  }

  /** Joins the client and git until git has ended. */
  async #join(
    request: GitRequest,
    group: ProcessGroup,
    { cancel, idle, until }: { cancel(reason: string): void; idle: IdleLimit; until?: Promise<void> },
  ): Promise<number> {
    const { child } = group
    const { app, input, gone } = request
    const onGone = () => cancel('the client has gone')
    const onInput = () => idle.touch()
    const done = (async () => {
      input.on('data', onInput).on('error', onGone).pipe(child.stdin!)
      child.stderr!.setEncoding('utf8').on('data', (text: string) => {
        this.#parts.log.info('git says', { app, text: text.trim() })
        request.writeError?.(text.replaceAll(this.#parts.repositories.pathOf(app), `${app}.git`))
      })
      for await (const chunk of child.stdout!) {
        await request.write(chunk)
        idle.touch()
      }
      const { code } = await group.exited
      await until
      return code ?? 143
    })()
    const session = { cancel, done }
    this.#sessions.add(session)
    gone.addEventListener('abort', onGone)
    if (gone.aborted) onGone()
    try {
      return await done
    } finally {
      gone.removeEventListener('abort', onGone)
      input.off('data', onInput).off('error', onGone).unpipe(child.stdin!)
      input.resume()
      group.reap()
      this.#sessions.delete(session)
    }
  }
}

/** What a {@link GitServer} works with. */
export interface GitServerParts {
  readonly repositories: Repositories
  readonly locks: AppLocks
  readonly limits: ReceiveLimits
  /** How long a client may neither send nor take anything. */
  readonly idleTimeoutMs: number
  readonly log: Log
  /** The unique id of an app, where it is known. */
  ownerOf(app: string): string | undefined
  /** Builds and releases; false declines the push. */
  onPush(push: Push): Promise<boolean>
  onResult(result: 'busy' | 'cancelled'): void
}

/** Calls back once when nothing moved for a while. */
class IdleLimit {
  readonly #timer: NodeJS.Timeout
  #ended = false

  constructor(limitMs: number, onIdle: () => void) {
    this.#timer = setTimeout(onIdle, limitMs)
  }

  touch(): void {
    if (!this.#ended) this.#timer.refresh()
  }

  end(): void {
    this.#ended = true
    clearTimeout(this.#timer)
  }
}

/** Reads a body to its end: an HTTP client listens only when it has sent everything. */
async function drained({ input, gone }: GitRequest): Promise<void> {
  if (input.readableEnded || gone.aborted) return
  input.resume()
  await new Promise<void>(resolve => {
    input.once('end', resolve)
    input.once('error', () => resolve())
    gone.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** Names of refs and options are the client's own bytes. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '?')
}
