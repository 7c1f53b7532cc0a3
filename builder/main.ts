import { connectKubernetes } from '../kernel/kubernetes/client.ts'
import { readCredentials } from '../kernel/kubernetes/credentials.ts'
import { runRole } from '../kernel/lifecycle.ts'
import { builderConfig } from './config.ts'
import { startBuilder } from './start.ts'

await runRole('builder', async log => {
  const config = builderConfig(process.env)
  const api = connectKubernetes(await readCredentials(process.env))
  const builder = await startBuilder({ config, log, api })
  return {
    ports: builder.ports,
    async stop() {
      await builder.stop()
      await api.close()
    },
  }
})
