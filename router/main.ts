import { connectKubernetes } from '../kernel/kubernetes/client.ts'
import { readCredentials } from '../kernel/kubernetes/credentials.ts'
import { openManifests } from '../kernel/kubernetes/manifests.ts'
import { runRole } from '../kernel/lifecycle.ts'
import { collectOnlyGarbage } from '../kernel/memory.ts'
import { routerConfig } from './config.ts'
import { startRouter } from './primary.ts'

const env = process.env

collectOnlyGarbage()

await runRole(
  'router',
  async (log, signal) => {
    // Before there is a worker to replace it means nothing; by default it would end the process.
    process.on('SIGHUP', () => {})
    const config = routerConfig(env)
    const api = config.manifests ? await openManifests(config.manifests, { log }) : connectKubernetes(await readCredentials(env))
    const router = await startRouter(config, api, log, signal)
    process.on('SIGHUP', () => void router.replaceWorkers())
    return {
      ports: router.ports ?? {},
      stop: async () => {
        await router.stop()
        await api.close()
      },
    }
  },
  { stopTimeoutMs: stopTimeoutMs() },
)

/** More than the drain may take; a bad setting is told by the start. */
function stopTimeoutMs(): number {
  try {
    const { drainDelayMs, drainTimeoutMs } = routerConfig(env)
    return drainDelayMs + drainTimeoutMs + 10_000
  } catch {
    return 10_000
  }
}
