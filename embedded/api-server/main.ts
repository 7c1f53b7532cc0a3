import { runRole } from '../../kernel/lifecycle.ts'
import { startApiServer } from './server.ts'
import { apiServerSettings } from './settings.ts'

await runRole('api-server', async log => {
  const settings = apiServerSettings(process.env)
  const server = await startApiServer({ ...settings, log })
  log.info('serving the Kubernetes API', { url: server.url, kubeconfig: server.kubeconfig })
  return { stop: () => server.stop(), ports: { https: server.port } }
})
