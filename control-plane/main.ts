import { startAdmin } from '../kernel/admin.ts'
import { connectKubernetes } from '../kernel/kubernetes/client.ts'
import { readCredentials } from '../kernel/kubernetes/credentials.ts'
import { runRole, Stack } from '../kernel/lifecycle.ts'
import { createMetrics } from '../kernel/metrics.ts'
import { controlPlaneConfig } from './config.ts'
import { startControlPlane } from './start.ts'

await runRole('control-plane', async (log, signal) => {
  const config = controlPlaneConfig(process.env)
  const metrics = createMetrics('control-plane')
  const stack = new Stack(log)
  const api = connectKubernetes(await readCredentials(process.env))
  stack.add('kubernetes', { stop: () => api.close() })
  const controlPlane = stack.add('control plane', await startControlPlane({ api, config, log, metrics, signal }))
  const admin = await startAdmin({ port: config.adminPort, host: config.host, log, metrics, ready: controlPlane.ready })
  stack.add('admin', admin)
  return { ports: { http: controlPlane.port, admin: admin.port }, stop: () => stack.stop() }
})
