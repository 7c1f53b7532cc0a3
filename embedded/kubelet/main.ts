import { hostname } from 'node:os'
import { join } from 'node:path'
import { connectKubernetes } from '../../kernel/kubernetes/client.ts'
import { readCredentials } from '../../kernel/kubernetes/credentials.ts'
import { runRole } from '../../kernel/lifecycle.ts'
import { flag, optional, port, readEnv, text } from '../../kernel/settings.ts'
import { openImageStore } from '../images/store.ts'
import { startKubelet } from './start.ts'

await runRole('kubelet', async log => {
  const settings = readEnv(process.env, {
    home: text('KUBELET_HOME'),
    images: optional('KUBELET_IMAGES'),
    nodeName: text('KUBELET_NODE_NAME', hostname().toLowerCase()),
    podCidr: optional('KUBELET_POD_CIDR'),
    port: port('KUBELET_PORT', '0'),
    tokenFile: optional('KUBELET_TOKEN_FILE'),
    stopPods: flag('KUBELET_STOP_PODS', 'true'),
  })
  const api = connectKubernetes(await readCredentials(process.env))
  const { podCidr, tokenFile, home, nodeName, stopPods } = settings
  const kubelet = await startKubelet({
    ...{ api, log, home, nodeName, stopPods, port: settings.port },
    images: openImageStore(settings.images ?? join(home, 'images')),
    ...(podCidr === undefined ? {} : { podCidr }),
    ...(tokenFile === undefined ? {} : { tokenFile }),
  })
  return {
    ports: kubelet.ports!,
    stop: async () => {
      await kubelet.stop()
      await api.close()
    },
  }
})
