import { startApiServer } from '../../embedded/api-server/server.ts'
import { startControllers } from '../../embedded/controllers/start.ts'
import { connectKubernetes } from '../../kernel/kubernetes/client.ts'
import { silentLog } from '../../kernel/log.ts'
import { Api } from './api.ts'
import type { Target } from './target.ts'

/** Starts the emulator in this process, its state in memory; with `controllers` they reach it over HTTPS, as in embedded mode. */
export async function startEmulator(controllers: boolean): Promise<Target> {
  const server = await startApiServer({ log: silentLog })
  const { authority, token } = server.credentials
  const access = { server: server.url, ca: authority.certificate }
  const api = new Api({ ...access, token })
  const client = controllers ? connectKubernetes({ ...access, verify: true, token: () => token, namespace: 'default' }) : undefined
  const running = client && (await startControllers(client, { log: silentLog }))
  return {
    api,
    async forget() {
      server.compact()
    },
    async stop() {
      await running?.stop()
      await client?.close()
      api.close()
      await server.stop()
    },
  }
}
