import { randomUUID } from 'node:crypto'
import type { Cluster } from '../deploy/cluster.ts'
import type { Deployer } from '../deploy/deployer.ts'
import { mayUse } from '../domain/access.ts'
import type { App } from '../domain/app.ts'
import { type Build, parseBuild, showBuild } from '../domain/build.ts'
import { type Config, isSameConfig, mergeConfig, showConfig } from '../domain/config.ts'
import type { Fields } from '../domain/fields.ts'
import { imageOwner } from '../domain/image.ts'
import { conflict, missing, refused } from '../domain/refusal.ts'
import { type Release, showRelease } from '../domain/release.ts'
import { summariseBuild, summariseConfig } from '../domain/summary.ts'
import { findTagFault } from '../domain/tags.ts'
import { now } from '../domain/timestamp.ts'
import type { PlatformLog } from '../platform-log.ts'
import type { Records } from '../records.ts'
import { page } from './page.ts'
import { created, ok } from './reply.ts'
import type { Routes } from './routes.ts'

export interface ReleaseParts {
  readonly records: Records
  readonly deployer: Deployer
  readonly cluster: Cluster
  readonly platformLog: PlatformLog
  /** What stands before an app's name in the references of images that the platform built. */
  readonly imagePrefix: string
}

/** Makes the releases that users and the builder ask for; the answer comes when the rollout has settled. */
export class Releasing {
  readonly #parts: ReleaseParts

  constructor(parts: ReleaseParts) {
    this.#parts = parts
  }

  /** Deploys a build. @param fields what `parseBuild` reads */
  build(username: string, app: App, fields: Fields): Promise<Release> {
    const { deployer, records, platformLog } = this.#parts
    const parsed = parseBuild(fields)
    this.#checkImage(username, app, parsed.image)
    return deployer.release(app.id, 'build', () => {
      const build: Build = { uuid: randomUUID(), owner: username, ...parsed, created: now(), updated: now() }
      platformLog.say(app.id, `build ${app.id}-${build.uuid.slice(0, 7)} created`)
      const current = mustHave(records, app.id)
      return this.#next(app.id, username, summariseBuild(username, build), { config: current.config, build })
    })
  }

  /** Changes the config, and deploys it where there is a build. @returns the merged config */
  async config(username: string, app: App, fields: Fields): Promise<Config> {
    const { deployer, records, platformLog, cluster } = this.#parts
    const release = await deployer.release(app.id, 'config', async () => {
      const current = mustHave(records, app.id)
      const maps = mergeConfig(current.config, fields)
      if (isSameConfig(current.config, maps)) throw conflict(`${username} changed nothing - release stopped`)
      const previous = current.config.tags
      if (Object.keys(maps.tags).length > 0 && !isSameConfig({ ...maps, tags: previous }, maps)) {
        const fault = findTagFault(await cluster.nodes(), maps.tags, previous)
        if (fault) throw refused(fault)
      }
      const config: Config = { uuid: randomUUID(), owner: username, created: now(), updated: now(), ...maps }
      platformLog.say(app.id, `config ${app.id}-${config.uuid.slice(0, 7)} updated`)
      return this.#next(app.id, username, summariseConfig(username, current.config, config), { ...builtBy(current), config })
    })
    return release.config
  }

  /** Deploys config and build of an earlier release as a new one. @param version by default the one before the current */
  rollback(username: string, app: App, version: number | undefined): Promise<Release> {
    const { deployer, records } = this.#parts
    return deployer.release(app.id, 'rollback', () => {
      const wanted = version ?? mustHave(records, app.id).version - 1
      if (wanted < 1) throw refused('version cannot be below 0')
      if (wanted === 1) throw refused('Cannot roll back to initial release.')
      const target = records.releases.get(app.id, wanted)
      if (!target) throw refused('Release matching query does not exist.')
      if (target.failed) throw refused('Cannot roll back to failed release.')
      return this.#next(app.id, username, `${username} rolled back to v${wanted}`, { config: target.config, ...builtBy(target) })
    })
  }

  /** An image that was built for one app holds its source: only who may use that app may run it elsewhere. */
  #checkImage(username: string, app: App, image: string): void {
    const { records, imagePrefix } = this.#parts
    const owner = imageOwner(image, imagePrefix)
    if (owner === undefined || owner === app.id) return
    const [user, source] = [records.users.get(username), records.apps.get(owner)]
    if (!user || !source || !mayUse(user, source)) throw refused(`Permission Denied attempting to pull image ${image}`)
  }

  #next(app: string, owner: string, summary: string, content: Pick<Release, 'config' | 'build'>): Release {
    const version = (this.#parts.records.releases.list(app)[0]?.version ?? 0) + 1
    const at = now()
    return { app, uuid: randomUUID(), version, owner, created: at, updated: at, summary, failed: false, ...content }
  }
}

/** Builds, config, releases. */
export function releaseRoutes(routes: Routes, releasing: Releasing, { releases }: Pick<Records, 'releases'>): void {
  routes.app('/builds/', {
    GET: call => page(call, buildsOf(releases.list(call.app.id)), build => showBuild(call.app.id, build)),
    async POST({ user, app, body }) {
      const { build } = await releasing.build(user.username, app, body)
      return created(showBuild(app.id, build!))
    },
  })

  routes.app('/builds/:uuid', {
    GET({ app, params }) {
      const build = buildsOf(releases.list(app.id)).find(({ uuid }) => uuid === params['uuid'])
      if (!build) throw missing('Build')
      return ok(showBuild(app.id, build))
    },
  })

  routes.app('/config/', {
    GET({ app }) {
      const current = releases.current(app.id)
      if (!current) throw missing('App')
      return ok(showConfig(app.id, current.config))
    },
    async POST({ user, app, body }) {
      return created(showConfig(app.id, await releasing.config(user.username, app, body)))
    },
  })

  routes.app('/releases/', { GET: call => page(call, releases.list(call.app.id), showRelease) })

  routes.app('/releases/rollback/', {
    async POST({ user, app, body }) {
      const { version } = await releasing.rollback(user.username, app, parseVersion(body['version']))
      return created({ version })
    },
  })

  routes.app('/releases/:version', {
    GET({ app, params }) {
      const [, number] = /^v(\d{1,9})$/.exec(params['version'] ?? '') ?? []
      const release = number === undefined ? undefined : releases.get(app.id, Number(number))
      if (!release) throw missing('Release')
      return ok(showRelease(release))
    },
  })
}

/** Every build once, newest first: rollbacks and changes of config carry an earlier one on. */
function buildsOf(releases: readonly Release[]): Build[] {
  const builds = new Map(releases.flatMap(({ build }) => (build ? [[build.uuid, build] as const] : [])))
  return [...builds.values()].sort((a, b) => (a.created < b.created ? 1 : -1))
}

function mustHave(records: Records, app: string): Release {
  const current = records.releases.current(app)
  if (!current) throw missing('Release')
  return current
}

function builtBy(release: Release): Pick<Release, 'build'> {
  return release.build ? { build: release.build } : {}
}

function parseVersion(value: unknown): number | undefined {
  if (value === undefined || value === null || value === '') return undefined
  const text = typeof value === 'object' ? '' : String(value).replace(/^v/, '')
  if (!/^-?\d{1,9}$/.test(text)) throw refused('version must be a number')
  return Number(text)
}
