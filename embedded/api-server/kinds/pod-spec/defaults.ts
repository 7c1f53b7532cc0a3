import type { Json } from '../../schema/decode.ts'

/** Fills a pod spec or template spec as the API server does (pkg/apis/core/v1/defaults.go). */
export function defaultPodSpec(spec: Json): void {
  spec['serviceAccountName'] ||= spec['serviceAccount']
  spec['serviceAccount'] = spec['serviceAccountName']
  if (!spec['serviceAccountName']) {
    delete spec['serviceAccountName']
    delete spec['serviceAccount']
  }
  spec['dnsPolicy'] ||= 'ClusterFirst'
  spec['restartPolicy'] ||= 'Always'
  spec['securityContext'] ??= {}
  spec['terminationGracePeriodSeconds'] ??= 30
  spec['schedulerName'] ||= 'default-scheduler'
  for (const volume of list(spec['volumes'])) defaultVolume(volume)
  for (const container of [...list(spec['initContainers']), ...list(spec['containers'])]) {
    defaultContainer(container)
    if (spec['hostNetwork']) for (const port of list(container['ports'])) port['hostPort'] ||= port['containerPort']
  }
}

function defaultContainer(container: Json): void {
  container['imagePullPolicy'] ||= isLatest(String(container['image'] ?? '')) ? 'Always' : 'IfNotPresent'
  container['terminationMessagePath'] ||= '/dev/termination-log'
  container['terminationMessagePolicy'] ||= 'File'
  for (const port of list(container['ports'])) port['protocol'] ||= 'TCP'
  for (const variable of list(container['env'])) {
    const from = variable['valueFrom'] as Json | undefined
    defaultFieldReference(from?.['fieldRef'])
    defaultDivisor(from?.['resourceFieldRef'])
  }
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    const probe = container[name] as Json | undefined
    if (!probe) continue
    probe['timeoutSeconds'] ||= 1
    probe['periodSeconds'] ||= 10
    probe['successThreshold'] ||= 1
    probe['failureThreshold'] ||= 3
    defaultHandler(probe)
  }
  const lifecycle = container['lifecycle'] as Json | undefined
  defaultHandler(lifecycle?.['postStart'])
  defaultHandler(lifecycle?.['preStop'])
}

function defaultHandler(handler: unknown): void {
  const { httpGet, grpc } = (handler ?? {}) as { httpGet?: Json; grpc?: Json }
  if (httpGet) {
    httpGet['path'] ||= '/'
    httpGet['scheme'] ||= 'HTTP'
  }
  if (grpc) grpc['service'] ??= ''
}

const VOLUME_SOURCES_WITH_MODE = ['secret', 'configMap', 'downwardAPI', 'projected']

function defaultVolume(volume: Json): void {
  if (Object.keys(volume).length === 1) volume['emptyDir'] = {}
  for (const name of VOLUME_SOURCES_WITH_MODE) {
    const source = volume[name] as Json | undefined
    if (source) source['defaultMode'] ??= 0o644
  }
  for (const item of list((volume['downwardAPI'] as Json | undefined)?.['items'])) defaultFieldReference(item['fieldRef'])
  for (const source of list((volume['projected'] as Json | undefined)?.['sources'])) {
    const token = source['serviceAccountToken'] as Json | undefined
    if (token) token['expirationSeconds'] ??= 3600
    for (const item of list((source['downwardAPI'] as Json | undefined)?.['items'])) defaultFieldReference(item['fieldRef'])
  }
  const hostPath = volume['hostPath'] as Json | undefined
  if (hostPath) hostPath['type'] ??= ''
}

function defaultFieldReference(reference: unknown): void {
  if (reference) (reference as Json)['apiVersion'] ||= 'v1'
}

function defaultDivisor(reference: unknown): void {
  if (reference) (reference as Json)['divisor'] ??= '0'
}

/** No tag, or `latest`: pulled each time. A digest is pinned. */
function isLatest(image: string): boolean {
  if (image.includes('@')) return false
  const last = image.slice(image.lastIndexOf('/') + 1)
  const tag = last.includes(':') ? last.slice(last.indexOf(':') + 1) : 'latest'
  return tag === 'latest'
}

function list(value: unknown): Json[] {
  return Array.isArray(value) ? (value as Json[]) : []
}
