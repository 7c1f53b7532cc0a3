import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { startAdmin } from '../kernel/admin.ts'
import type { KubernetesApi } from '../kernel/kubernetes/api.ts'
import { type Running, Stack } from '../kernel/lifecycle.ts'
import type { Log } from '../kernel/log.ts'
import { createMetrics } from '../kernel/metrics.ts'
import { deployPush } from './build/pipeline.ts'
import { processRunner } from './build/runners/process.ts'
import { Slots } from './build/slots.ts'
import { startCleaner } from './cleaner.ts'
import type { BuilderConfig } from './config.ts'
import { connectControlPlane } from './control-plane.ts'
import { builderMetrics } from './metrics.ts'
import { AppLocks } from './receive/app-locks.ts'
import { checkGit } from './receive/git.ts'
import { GitServer } from './receive/git-server.ts'
import { installHooks } from './receive/hook.ts'
import { openHostKeys } from './receive/host-keys.ts'
import { startHttpServer } from './receive/http-server.ts'
import { Repositories } from './receive/repository.ts'
import { startSshServer } from './receive/ssh-server.ts'

/** 256 MiB of history beside the tree that {@link BuilderConfig} limits: a push may carry many versions of it. */
const HISTORY_BYTES = 256 * 1024 ** 2

/**
 * Starts the builder: both doors, the health port and the cleaner.
 *
 * @param parts.api without it repositories of deleted apps stay
 * @returns the ports that were bound: `ssh`, `http`, `health`
 */
export async function startBuilder(parts: {
  config: BuilderConfig
  log: Log
  api?: KubernetesApi
}): Promise<Running & { ports: { ssh: number; http: number; health: number } }> {
  const { config, log, api } = parts
  const home = path.resolve(config.home)
  const buildsPath = path.join(home, 'builds')
  await checkGit()
  await mkdir(home, { recursive: true, mode: 0o700 })
  await rm(buildsPath, { recursive: true, force: true })

  const stack = new Stack(log)
  try {
    const repositories = new Repositories(home)
    await repositories.sweepAll()
    const locks = new AppLocks()
    const slots = new Slots(config.buildCountMax)
    const registry = createMetrics('builder')
    const metrics = builderMetrics(registry, { pushes: () => locks.count, builds: () => slots.running, waiting: () => slots.waiting })
    const controlPlane = connectControlPlane({ url: config.controllerUrl, key: config.key, releaseTimeoutMs: config.releaseTimeoutMs })
    stack.add('control plane', { stop: () => controlPlane.close() })
    const cleaner = api && stack.add('cleaner', startCleaner(api, { repositories, locks, cachePath: config.cachePath, log }))

    const runner = processRunner(config.runCommand)
    const pushBytesMax = config.sourceBytesMax + HISTORY_BYTES
    const git = stack.add(
      'git',
      new GitServer({
        repositories,
        locks,
        limits: { hooksPath: await installHooks(home), pushBytesMax },
        idleTimeoutMs: config.idleTimeoutMs,
        log,
        ownerOf: app => cleaner?.ownerOf(app),
        onPush: push => deployPush(push, { controlPlane, runner, slots, buildsPath, limits: config, log, metrics }),
        onResult: result => metrics.pushes.inc({ result }),
      }),
    )

    const hostKeys = await openHostKeys(config.hostKeys ?? path.join(home, 'host-keys'), { create: config.hostKeys === undefined, log })
    const ssh = stack.add(
      'ssh',
      await startSshServer(
        { host: config.bind, port: config.sshPort },
        {
          ...{ hostKeys, git, log, limits: config, proxyProtocol: config.proxyProtocol, findKey: controlPlane.findKey },
          onConnections: count => metrics.sshConnections.set({}, count),
        },
      ),
    )
    const http = stack.add(
      'http',
      await startHttpServer(
        { host: config.bind, port: config.httpPort },
        { git, log, limits: { connectionCountMax: config.connectionCountMax, pushBytesMax }, authenticate: controlPlane.authenticate },
      ),
    )
    const readiness = async () => {
      const fault = await controlPlane.health()
      return fault ? { status: 503, body: `${fault}\n` } : { body: 'ok\n' }
    }
    const admin = stack.add(
      'health',
      await startAdmin({
        ...{ port: config.healthPort, host: config.bind, log, metrics: registry, ready: () => [] },
        routes: { '/readiness': readiness },
      }),
    )
    return { ports: { ssh: ssh.port, http: http.port, health: admin.port }, stop: () => stack.stop() }
  } catch (error) {
    await stack.stop()
    throw error
  }
}
