import { connectKubernetes } from '../kernel/kubernetes/client.ts'
import { readCredentials } from '../kernel/kubernetes/credentials.ts'
import { runRole } from '../kernel/lifecycle.ts'
import { loggerConfig } from './config.ts'
import { startLogger } from './start.ts'

await runRole('logger', async log => {
  const config = loggerConfig(process.env)
  const api = connectKubernetes(await readCredentials(process.env), { userAgent: 'drycc-logger' })
  return startLogger({ api, config, log })
})
