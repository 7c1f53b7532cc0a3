import type { Json } from './api.ts'

/** The smallest objects that an API server takes; `spec` and `metadata` add to them or replace parts. */
export const container = (more: Json = {}): Json => ({ name: 'c', image: 'registry.test/c:1', ...more })

export const configMap = (name: string, data: Json = { a: '1' }, metadata: Json = {}): Json => ({ metadata: { name, ...metadata }, data })

export const secret = (name: string, more: Json = {}, metadata: Json = {}): Json => ({ metadata: { name, ...metadata }, ...more })

export const pod = (name: string, spec: Json = {}, metadata: Json = {}): Json => ({
  metadata: { name, ...metadata },
  spec: { automountServiceAccountToken: false, containers: [container()], ...spec },
})

export const service = (name: string, spec: Json = {}, metadata: Json = {}): Json => ({
  metadata: { name, ...metadata },
  spec: { ports: [{ port: 80 }], ...spec },
})

/** Of one pod template, as Deployments, ReplicaSets and Jobs hold it. */
export const template = (spec: Json = {}, metadata: Json = {}): Json => ({
  metadata: { labels: { app: 'a' }, ...metadata },
  spec: { automountServiceAccountToken: false, containers: [container()], ...spec },
})

export const deployment = (name: string, spec: Json = {}, metadata: Json = {}): Json => ({
  metadata: { name, ...metadata },
  spec: { selector: { matchLabels: { app: 'a' } }, template: template(), ...spec },
})

export const replicaSet = deployment

export const job = (name: string, spec: Json = {}, metadata: Json = {}): Json => ({
  metadata: { name, ...metadata },
  spec: { template: template({ restartPolicy: 'Never' }, { labels: {} }), ...spec },
})

export const endpointSlice = (name: string, more: Json = {}, metadata: Json = {}): Json => ({
  metadata: { name, ...metadata },
  addressType: 'IPv4',
  endpoints: [],
  ...more,
})

export const ingress = (name: string, spec: Json = {}, metadata: Json = {}): Json => ({
  metadata: { name, ...metadata },
  spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } }, ...spec },
})

export const autoscaler = (name: string, spec: Json = {}, metadata: Json = {}): Json => ({
  metadata: { name, ...metadata },
  spec: { maxReplicas: 2, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' }, ...spec },
})

export const lease = (name: string, spec: Json = {}, metadata: Json = {}): Json => ({ metadata: { name, ...metadata }, spec })

export const event = (name: string, namespace: string, more: Json = {}): Json => ({
  metadata: { name },
  involvedObject: { kind: 'Pod', namespace, name: 'p' },
  reason: 'Tested',
  message: 'a test',
  type: 'Normal',
  ...more,
})
