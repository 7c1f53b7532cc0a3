import { X509Certificate } from 'node:crypto'
import { createAuthority, issueCertificate, type KeyPair } from '../../kernel/x509.ts'

/** A cluster of apps, object by object as a real API server tells them: managed fields, statuses and all. */
export interface ClusterOptions {
  readonly apps: number
  /** One app in so many has a certificate of its own; 0: none. */
  readonly certificateEach: number
  /** Where the endpoints of all apps listen at first. */
  readonly port: number
}

const NAMESPACE_COUNT = 100
/** RSA keys take a tenth of a second each; certificates differ by their serial number. */
const KEY_COUNT = 8

/** The objects of each kind by their plural, in the order of the API server: by key. */
export function clusterObjects({ apps, certificateEach, port }: ClusterOptions): Record<string, Map<string, unknown>> {
  const services = new Map<string, unknown>()
  const endpointslices = new Map<string, unknown>()
  const secrets = new Map<string, unknown>()
  const pairs: KeyPair[] = []
  if (certificateEach > 0) {
    const authority = createAuthority('Bench')
    while (pairs.length < KEY_COUNT) {
      const { certificate, key } = issueCertificate(authority, { names: ['*.example.com'], days: 90 })
      pairs.push({ certificate: certificate + authority.certificate, key })
    }
  }
  for (let index = 0; index < apps; index++) {
    const hasCertificate = certificateEach > 0 && index % certificateEach === 0
    services.set(`${index}`, service(index, hasCertificate))
    endpointslices.set(`${index}`, slice(index, port, 1))
    if (hasCertificate) secrets.set(`${index}`, secret(index, pairs[index % KEY_COUNT]!))
  }
  return { services, endpointslices, secrets, deployments: new Map([['drycc-router', ROUTER]]) }
}

/** What all short domains stand under. */
export const PLATFORM_DOMAIN = 'apps.test'

const ROUTER = {
  metadata: {
    name: 'drycc-router',
    namespace: 'drycc',
    uid: '0',
    resourceVersion: '1',
    annotations: { 'router.drycc.cc/nginx.platformDomain': PLATFORM_DOMAIN },
  },
}

/** The EndpointSlice of an app: two pods. */
export function slice(index: number, port: number, resourceVersion: number): object {
  const { name, namespace, labels } = names(index)
  const pod = (number: number) => ({
    addresses: [`127.0.0.${number + 1}`],
    conditions: { ready: true, serving: true, terminating: false },
    nodeName: `node-${index % 50}`,
    targetRef: { kind: 'Pod', name: `${name}-web-6b7f8d9c5-${number}abcd`, namespace, uid: uid(index, 7 + number) },
  })
  return {
    metadata: {
      ...metadata(index, resourceVersion, 1),
      name: `${name}-k7x2p`,
      generateName: `${name}-`,
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': '2026-05-01T00:00:00Z' },
      labels: {
        ...labels,
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        'kubernetes.io/service-name': name,
      },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name, uid: uid(index, 0), controller: true, blockOwnerDeletion: true }],
    },
    addressType: 'IPv4',
    endpoints: [pod(0), pod(1)],
    ports: [{ name: 'http', port, protocol: 'TCP' }],
  }
}

function service(index: number, hasCertificate: boolean): object {
  const { name, namespace, labels, host } = names(index)
  return {
    metadata: {
      ...metadata(index, 1, 0),
      labels: { ...labels, 'router.drycc.cc/routable': 'true' },
      annotations: {
        'router.drycc.cc/domains': hasCertificate ? `${name},${host}` : name,
        ...(hasCertificate && { 'router.drycc.cc/certificates': `${host}:${name}` }),
        'router.drycc.cc/maintenance': 'False',
        'router.drycc.cc/ssl.enforce': 'False',
      },
      namespace,
    },
    spec: {
      ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 5000 }],
      selector: { app: name, heritage: 'drycc', type: 'web' },
      clusterIP: `10.96.${(index >> 8) & 255}.${index & 255}`,
      clusterIPs: [`10.96.${(index >> 8) & 255}.${index & 255}`],
      type: 'ClusterIP',
      sessionAffinity: 'None',
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      internalTrafficPolicy: 'Cluster',
    },
    status: { loadBalancer: {} },
  }
}

function secret(index: number, pair: KeyPair): object {
  const data = {
    'tls.crt': base64(withSerial(pair.certificate, index)),
    'tls.key': base64(pair.key),
  }
  return { metadata: { ...metadata(index, 1, 2), name: `${names(index).name}-cert` }, data, type: 'kubernetes.io/tls' }
}

/** Another certificate of the same key before the same issuer: its signature is wrong now, which nobody but a client looks at. */
function withSerial(pem: string, index: number): string {
  const issuer = pem.slice(pem.indexOf('-----BEGIN', 1))
  const der = Buffer.from(new X509Certificate(pem).raw)
  const serial = Buffer.from(new X509Certificate(pem).serialNumber, 'hex')
  der.writeUInt32BE(index, der.indexOf(serial) + serial.length - 4)
  return `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replace(/.{64}/g, '$&\n').trimEnd()}\n-----END CERTIFICATE-----\n${issuer}`
}

function metadata(index: number, resourceVersion: number, kind: number): object {
  const { name, namespace, labels } = names(index)
  const field = { 'f:metadata': { 'f:annotations': { '.': {}, 'f:a': {} }, 'f:labels': { '.': {}, 'f:app': {}, 'f:heritage': {} } } }
  return {
    name,
    namespace,
    uid: uid(index, kind),
    resourceVersion: String(resourceVersion),
    creationTimestamp: '2026-05-01T00:00:00Z',
    labels,
    managedFields: [
      {
        manager: 'drycc-controller',
        operation: 'Update',
        apiVersion: 'v1',
        time: '2026-05-01T00:00:00Z',
        fieldsType: 'FieldsV1',
        fieldsV1: field,
      },
    ],
  }
}

/** How an app is called, and the host that a certificate of its own is for. */
export function names(index: number) {
  const name = `app-${index}`
  return { name, namespace: `team-${index % NAMESPACE_COUNT}`, host: `${name}.example.com`, labels: { app: name, heritage: 'drycc' } }
}

function uid(index: number, kind: number): string {
  return `00000000-0000-4000-800${kind}-${String(index).padStart(12, '0')}`
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
