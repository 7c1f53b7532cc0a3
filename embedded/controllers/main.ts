import { connectKubernetes } from '../../kernel/kubernetes/client.ts'
import { readCredentials } from '../../kernel/kubernetes/credentials.ts'
import { runRole } from '../../kernel/lifecycle.ts'
import { startControllers } from './start.ts'

await runRole('controllers', async (log, signal) => {
  const api = connectKubernetes(await readCredentials(process.env), { userAgent: 'drycc-controllers' })
  const controllers = await startControllers(api, { log, signal })
  return {
    stop: async () => {
      await controllers.stop()
      await api.close()
    },
  }
})
