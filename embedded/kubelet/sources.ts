import { find, type KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'

/** The keys of a Secret or ConfigMap with their raw values. */
export type KeyedData = Readonly<Record<string, Buffer>>

/** Where a pod's Secrets and ConfigMaps come from; `undefined` for one that is not there. */
export interface Sources {
  secret(name: string): Promise<KeyedData | undefined>
  configMap(name: string): Promise<KeyedData | undefined>
}

/** Reads the Secrets and ConfigMaps of one namespace, each at most once: a container start sees one state of them. */
export function readSources(api: Pick<KubernetesApi, 'get'>, namespace: string): Sources {
  const once = (read: (name: string) => Promise<KeyedData | undefined>) => {
    const known = new Map<string, Promise<KeyedData | undefined>>()
    return (name: string) => known.getOrInsertComputed(name, read)
  }
  return {
    secret: once(async name => {
      const secret = await find(api, RESOURCES.secrets, namespace, name)
      return secret && decode(secret.data, 'base64')
    }),
    configMap: once(async name => {
      const configMap = await find(api, RESOURCES.configMaps, namespace, name)
      return configMap && { ...decode(configMap.data, 'utf8'), ...decode(configMap.binaryData, 'base64') }
    }),
  }
}

function decode(data: Readonly<Record<string, string>> | undefined, encoding: 'base64' | 'utf8'): KeyedData {
  return Object.fromEntries(Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value, encoding)]))
}
