import { suite, test } from 'node:test'
import { isFailure, isInvalid } from './answers.ts'
import { type Api, at, type Json } from './api.ts'
import {
  autoscaler,
  configMap,
  container,
  deployment,
  endpointSlice,
  event,
  ingress,
  job,
  lease,
  pod,
  replicaSet,
  secret,
  service,
  template,
} from './samples.ts'

const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
const QUALIFIED =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
const LABEL_VALUE =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
const CONFIG_KEY =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
const PORT_RANGE = 'must be between 1 and 65535, inclusive'
const NOT_NEGATIVE = 'must be greater than or equal to 0'
const C0 = 'spec.containers[0]'
const LONG = 'a'.repeat(254)

/** What is wrong, the kind, the object, and every cause as the Status's message words it. */
type Case = readonly [title: string, plural: string, object: Json, causes: readonly string[]]

const METADATA: readonly Case[] = [
  ['a name in upper case', 'configmaps', configMap('Bad_Name'), [`metadata.name: Invalid value: "Bad_Name": ${SUBDOMAIN}`]],
  [
    'a name of 254 characters',
    'configmaps',
    configMap(LONG),
    [`metadata.name: Invalid value: "${LONG}": must be no more than 253 characters`],
  ],
  ['no name', 'configmaps', { metadata: {} }, ['metadata.name: Required value: name or generateName is required']],
  [
    'a label key with a space',
    'configmaps',
    configMap('a', {}, { labels: { 'bad key': 'v' } }),
    [`metadata.labels: Invalid value: "bad key": ${QUALIFIED}`],
  ],
  [
    'a label value with a space',
    'configmaps',
    configMap('a', {}, { labels: { k: 'bad value!' } }),
    [`metadata.labels: Invalid value: "bad value!": ${LABEL_VALUE}`],
  ],
  [
    'a label value of 64 characters',
    'configmaps',
    configMap('a', {}, { labels: { k: 'v'.repeat(64) } }),
    [`metadata.labels: Invalid value: "${'v'.repeat(64)}": must be no more than 63 bytes`],
  ],
  [
    'an annotation key with a space',
    'configmaps',
    configMap('a', {}, { annotations: { 'bad key': 'v' } }),
    [`metadata.annotations: Invalid value: "bad key": ${QUALIFIED}`],
  ],
  [
    'a finalizer without a domain',
    'configmaps',
    configMap('a', {}, { finalizers: ['plain'] }),
    ['metadata.finalizers[0]: Invalid value: "plain": name is neither a standard finalizer name nor is it fully qualified'],
  ],
  [
    'an owner without uid',
    'configmaps',
    configMap('a', {}, { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'x' }] }),
    ['metadata.ownerReferences[0].uid: Required value: must not be empty'],
  ],
  [
    'two controlling owners',
    'configmaps',
    configMap('a', {}, { ownerReferences: ['x', 'y'].map(name => ({ apiVersion: 'v1', kind: 'Pod', name, uid: name, controller: true })) }),
    [
      'metadata.ownerReferences: Invalid value: [{"apiVersion":"v1","kind":"Pod","name":"x","uid":"x","controller":true},{"apiVersion":"v1","kind":"Pod","name":"y","uid":"y","controller":true}]: Only one reference can have Controller set to true. Found "true" in references for Pod/x and Pod/y',
    ],
  ],
  ['a dot', 'namespaces', { metadata: { name: 'a.b' } }, ['metadata.name: Invalid value: "a.b": must not contain dots']],
  ['a name in upper case', 'nodes', { metadata: { name: 'BAD' } }, [`metadata.name: Invalid value: "BAD": ${SUBDOMAIN}`]],
]

const CONFIG: readonly Case[] = [
  ['a key with a space', 'configmaps', configMap('a', { 'a b': 'x' }), [`data[a b]: Invalid value: "a b": ${CONFIG_KEY}`]],
  [
    'a key in data and binaryData',
    'configmaps',
    { ...configMap('a', { a: 'x' }), binaryData: { a: 'eA==' } },
    ['data[a]: Invalid value: "a": duplicate of key present in binaryData'],
  ],
  ['a key with a space', 'secrets', secret('a', { data: { 'a b': 'eA==' } }), [`data[a b]: Invalid value: "a b": ${CONFIG_KEY}`]],
  [
    'a TLS Secret without its keys',
    'secrets',
    secret('a', { type: 'kubernetes.io/tls' }),
    ['data[tls.crt]: Required value', 'data[tls.key]: Required value'],
  ],
  [
    'basic credentials without any',
    'secrets',
    secret('a', { type: 'kubernetes.io/basic-auth' }),
    ['data[username]: Required value', 'data[password]: Required value'],
  ],
  [
    'an SSH key Secret without the key',
    'secrets',
    secret('a', {
      type: 'kubernetes.io/ssh-auth',
    }),
    ['data[ssh-privatekey]: Required value'],
  ],
]

const PODS: readonly Case[] = [
  ['no spec', 'pods', { metadata: { name: 'p' } }, ['spec.containers: Required value']],
  ['no containers', 'pods', pod('p', { containers: [] }), ['spec.containers: Required value']],
  [
    'a container without name and image',
    'pods',
    pod('p', { containers: [{}] }),
    [`${C0}.name: Required value`, `${C0}.image: Required value`],
  ],
  [
    'two containers of one name',
    'pods',
    pod('p', { containers: [container(), container()] }),
    ['spec.containers[1].name: Duplicate value: "c"'],
  ],
  [
    'a container name in upper case',
    'pods',
    pod('p', { containers: [container({ name: 'X' })] }),
    [`${C0}.name: Invalid value: "X": ${LABEL}`],
  ],
  [
    'an image with spaces around',
    'pods',
    pod('p', { containers: [container({ image: ' i ' })] }),
    [`${C0}.image: Invalid value: " i ": must not have leading or trailing whitespace`],
  ],
  [
    'ports out of range',
    'pods',
    pod('p', { containers: [container({ ports: [{ containerPort: 0 }, { containerPort: 70000 }, { containerPort: 1, protocol: 'X' }] })] }),
    [
      `${C0}.ports[0].containerPort: Required value`,
      `${C0}.ports[1].containerPort: Invalid value: 70000: ${PORT_RANGE}`,
      `${C0}.ports[2].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"`,
    ],
  ],
  [
    'a port name of 16 characters',
    'pods',
    pod('p', { containers: [container({ ports: [{ containerPort: 1, name: 'a123456789012345' }] })] }),
    [`${C0}.ports[0].name: Invalid value: "a123456789012345": must be no more than 15 characters`],
  ],
  [
    'two ports of one name',
    'pods',
    pod('p', {
      containers: [
        container({
          ports: [
            { containerPort: 1, name: 'a' },
            { containerPort: 2, name: 'a' },
          ],
        }),
      ],
    }),
    [`${C0}.ports[1].name: Duplicate value: "a"`],
  ],
  [
    'a request above its limit',
    'pods',
    pod('p', { containers: [container({ resources: { requests: { memory: '2Gi' }, limits: { memory: '1Gi' } } })] }),
    [`${C0}.resources.requests: Invalid value: "2Gi": must be less than or equal to memory limit of 1Gi`],
  ],
  [
    'a negative quantity',
    'pods',
    pod('p', { containers: [container({ resources: { requests: { cpu: '-1' } } })] }),
    [`${C0}.resources.requests[cpu]: Invalid value: "-1": ${NOT_NEGATIVE}`],
  ],
  [
    'environment entries of every wrong form',
    'pods',
    pod('p', {
      containers: [
        container({
          env: [
            { name: '' },
            { name: 'a=b' },
            { name: 'X', value: 'v', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
            { name: 'Z', valueFrom: { secretKeyRef: { name: 's', key: '' } } },
          ],
        }),
      ],
    }),
    [
      `${C0}.env[0].name: Required value`,
      `${C0}.env[1].name: Invalid value: "a=b": a valid environment variable name must consist only of printable ASCII characters other than '='`,
      `${C0}.env[2].valueFrom: Invalid value: "": may not be specified when \`value\` is not empty`,
      `${C0}.env[3].valueFrom.secretKeyRef.key: Required value`,
    ],
  ],
  [
    'tolerations of no known form',
    'pods',
    pod('p', {
      tolerations: [
        { operator: 'X', key: 'a' },
        { effect: 'Y', key: 'b' },
      ],
    }),
    [
      'spec.tolerations[0].operator: Unsupported value: "X": supported values: "Equal", "Exists"',
      'spec.tolerations[1].effect: Unsupported value: "Y": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
    ],
  ],
  [
    'keys of a Secret that lead out of the volume',
    'pods',
    pod('p', {
      volumes: [
        {
          name: 's',
          secret: {
            secretName: 'x',
            items: [
              { key: '', path: '/abs' },
              { key: 'a', path: '../x' },
            ],
          },
        },
      ],
    }),
    [
      'spec.volumes[0].secret.items[0].key: Required value',
      'spec.volumes[0].secret.items[0].path: Invalid value: "/abs": must be a relative path',
      'spec.volumes[0].secret.items[1].path: Invalid value: "../x": must not contain \'..\'',
    ],
  ],
  [
    'an unknown restart policy',
    'pods',
    pod('p', { restartPolicy: 'Sometimes' }),
    ['spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'],
  ],
  [
    'an unknown pull policy',
    'pods',
    pod('p', { containers: [container({ imagePullPolicy: 'X' })] }),
    [`${C0}.imagePullPolicy: Unsupported value: "X": supported values: "Always", "IfNotPresent", "Never"`],
  ],
  [
    'a probe without a handler',
    'pods',
    pod('p', { containers: [container({ readinessProbe: {} })] }),
    [`${C0}.readinessProbe: Required value: must specify a handler type`],
  ],
  [
    'a probe with two handlers',
    'pods',
    pod('p', { containers: [container({ livenessProbe: { httpGet: { port: 1 }, tcpSocket: { port: 1 } } })] }),
    [`${C0}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type`],
  ],
  [
    'a probe of port 0 and a negative period',
    'pods',
    pod('p', { containers: [container({ livenessProbe: { httpGet: { port: 0 }, periodSeconds: -1 } })] }),
    [
      `${C0}.livenessProbe.httpGet.port: Invalid value: 0: ${PORT_RANGE}`,
      `${C0}.livenessProbe.periodSeconds: Invalid value: -1: ${NOT_NEGATIVE}`,
    ],
  ],
  [
    'a liveness probe with two successes',
    'pods',
    pod('p', { containers: [container({ livenessProbe: { tcpSocket: { port: 1 }, successThreshold: 2 } })] }),
    [`${C0}.livenessProbe.successThreshold: Invalid value: 2: must be 1`],
  ],
  [
    'a preStop hook without a handler',
    'pods',
    pod('p', { containers: [container({ lifecycle: { preStop: {} } })] }),
    [`${C0}.lifecycle.preStop: Required value: must specify a handler type`],
  ],
  [
    'a mount of no volume',
    'pods',
    pod('p', { containers: [container({ volumeMounts: [{ name: 'nope', mountPath: '/a' }] })] }),
    [`${C0}.volumeMounts[0].name: Not found: "nope"`],
  ],
  [
    'a volume of two types',
    'pods',
    pod('p', { volumes: [{ name: 'a', emptyDir: {}, secret: { secretName: 'x' } }] }),
    ['spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type'],
  ],
  [
    'an active deadline of 0',
    'pods',
    pod('p', { activeDeadlineSeconds: 0 }),
    ['spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive'],
  ],
  ['a node name with a space', 'pods', pod('p', { nodeName: 'BAD NAME' }), [`spec.nodeName: Invalid value: "BAD NAME": ${SUBDOMAIN}`]],
]

const APPS: readonly Case[] = [
  [
    'no spec',
    'deployments',
    { metadata: { name: 'd' } },
    [
      'spec.selector: Required value',
      'spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`',
      'spec.template.spec.containers: Required value',
    ],
  ],
  [
    'a selector that misses its template',
    'deployments',
    deployment('d', { selector: { matchLabels: { app: 'b' } } }),
    ['spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`'],
  ],
  [
    'an empty selector',
    'deployments',
    deployment('d', { selector: {} }),
    ['spec.selector: Invalid value: {}: empty selector is invalid for deployment'],
  ],
  [
    'negative numbers',
    'deployments',
    deployment('d', { replicas: -1, minReadySeconds: -1, revisionHistoryLimit: -1 }),
    ['replicas', 'minReadySeconds', 'revisionHistoryLimit'].map(field => `spec.${field}: Invalid value: -1: ${NOT_NEGATIVE}`),
  ],
  [
    'a deadline before minReadySeconds',
    'deployments',
    deployment('d', { progressDeadlineSeconds: 5, minReadySeconds: 10 }),
    ['spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds'],
  ],
  [
    'no room to roll',
    'deployments',
    deployment('d', { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } }),
    ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0'],
  ],
  [
    'bad percentages',
    'deployments',
    deployment('d', { strategy: { rollingUpdate: { maxSurge: 'abc', maxUnavailable: '200%' } } }),
    [
      "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"abc\": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
      'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "200%": must not be greater than 100%',
    ],
  ],
  [
    'Recreate with a rolling update',
    'deployments',
    deployment('d', { strategy: { type: 'Recreate', rollingUpdate: { maxSurge: 1 } } }),
    ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
  ],
  [
    'a template that never restarts',
    'deployments',
    deployment('d', { template: template({ restartPolicy: 'Never' }) }),
    ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
  ],
  [
    'a template without an image',
    'deployments',
    deployment('d', { template: template({ containers: [{ name: 'c' }] }) }),
    ['spec.template.spec.containers[0].image: Required value'],
  ],
  [
    'a selector that misses its template',
    'replicasets',
    replicaSet('d', { selector: { matchLabels: { app: 'b' } } }),
    ['spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`'],
  ],
  [
    'no spec',
    'jobs',
    { metadata: { name: 'j' } },
    [
      'spec.template.spec.containers: Required value',
      'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ],
  ],
  [
    'a template that always restarts',
    'jobs',
    job('j', { template: template() }),
    ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
  ],
  [
    'negative numbers',
    'jobs',
    job('j', { backoffLimit: -1, completions: -1, parallelism: -1, activeDeadlineSeconds: -1, ttlSecondsAfterFinished: -1 }),
    ['backoffLimit', 'completions', 'parallelism', 'activeDeadlineSeconds', 'ttlSecondsAfterFinished'].map(
      field => `spec.${field}: Invalid value: -1: ${NOT_NEGATIVE}`,
    ),
  ],
]

const SERVICES: readonly Case[] = [
  [
    'a name of 64 characters',
    'services',
    service('a'.repeat(64)),
    [`metadata.name: Invalid value: "${'a'.repeat(64)}": must be no more than 63 characters`],
  ],
  ['a dot in its name', 'services', service('a.b'), ['metadata.name: Invalid value: "a.b": must not contain dots']],
  ['no ports', 'services', service('s', { ports: [] }), ['spec.ports: Required value']],
  ['port 0', 'services', service('s', { ports: [{ port: 0, targetPort: 1 }] }), [`spec.ports[0].port: Invalid value: 0: ${PORT_RANGE}`]],
  [
    'a target port out of range',
    'services',
    service('s', { ports: [{ port: 1, targetPort: 70000 }] }),
    [`spec.ports[0].targetPort: Invalid value: 70000: ${PORT_RANGE}`],
  ],
  [
    'two ports without names',
    'services',
    service('s', { ports: [{ port: 1 }, { port: 2 }] }),
    ['spec.ports[0].name: Required value', 'spec.ports[1].name: Required value'],
  ],
  [
    'two ports of one name',
    'services',
    service('s', {
      ports: [
        { port: 1, name: 'a' },
        { port: 2, name: 'a' },
      ],
    }),
    ['spec.ports[1].name: Duplicate value: "a"'],
  ],
  [
    'an unknown protocol',
    'services',
    service('s', { ports: [{ port: 1, protocol: 'X' }] }),
    ['spec.ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"'],
  ],
  [
    'an unknown type',
    'services',
    service('s', { type: 'X' }),
    ['spec.type: Unsupported value: "X": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'],
  ],
  [
    'an unknown session affinity',
    'services',
    service('s', { sessionAffinity: 'X' }),
    ['spec.sessionAffinity: Unsupported value: "X": supported values: "ClientIP", "None"'],
  ],
  [
    'a cluster IP that is none',
    'services',
    service('s', { clusterIP: 'abc' }),
    ['spec.clusterIPs[0]: Invalid value: "abc": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
  ],
  [
    'an external name that is missing',
    'services',
    service('s', { type: 'ExternalName', ports: [] }),
    ['spec.externalName: Required value'],
  ],
  [
    'a selector key with a space',
    'services',
    service('s', { selector: { 'a b': 'c' } }),
    [`spec.selector: Invalid value: "a b": ${QUALIFIED}`],
  ],
  ['no address type', 'endpointslices', { metadata: { name: 'e' } }, ['addressType: Required value']],
  [
    'an unknown address type',
    'endpointslices',
    endpointSlice('e', { addressType: 'X' }),
    ['addressType: Unsupported value: "X": supported values: "FQDN", "IPv4", "IPv6"'],
  ],
  [
    'an address that is none',
    'endpointslices',
    endpointSlice('e', { endpoints: [{ addresses: ['abc'] }] }),
    ['endpoints[0].addresses[0]: Invalid value: "abc": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
  ],
  ['no address', 'endpointslices', endpointSlice('e', { endpoints: [{ addresses: [] }] }), ['endpoints[0].addresses: Required value']],
  [
    'addresses that reach no pod',
    'endpointslices',
    endpointSlice('e', { endpoints: ['0.0.0.0', '169.254.1.1', '224.0.0.1'].map(address => ({ addresses: [address] })) }),
    [
      'endpoints[0].addresses[0]: Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)',
      'endpoints[1].addresses[0]: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
      'endpoints[2].addresses[0]: Invalid value: "224.0.0.1": may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)',
    ],
  ],
  [
    'two ports of one name',
    'endpointslices',
    endpointSlice('e', {
      ports: [
        { name: 'a', port: 1 },
        { name: 'a', port: 2 },
      ],
    }),
    ['ports[1].name: Duplicate value: "a"'],
  ],
  [
    'an unknown protocol',
    'endpointslices',
    endpointSlice('e', { ports: [{ name: 'a', port: 1, protocol: 'X' }] }),
    ['ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"'],
  ],
  [
    'a subset without addresses',
    'endpoints',
    { metadata: { name: 'e' }, subsets: [{}] },
    ['subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`'],
  ],
]

const OTHERS: readonly Case[] = [
  [
    'neither rules nor a backend',
    'ingresses',
    ingress('i', { defaultBackend: undefined }),
    ['spec: Invalid value: null: either `defaultBackend` or `rules` must be specified'],
  ],
  [
    'a host in upper case',
    'ingresses',
    ingress('i', { rules: [{ host: 'BAD_' }] }),
    [`spec.rules[0].host: Invalid value: "BAD_": ${SUBDOMAIN}`],
  ],
  [
    'an address as host',
    'ingresses',
    ingress('i', { rules: [{ host: '1.2.3.4' }] }),
    ['spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address'],
  ],
  [
    'paths without slash and without type',
    'ingresses',
    ingress('i', {
      rules: [
        {
          http: {
            paths: [{ path: 'x', pathType: 'Prefix' }, { path: '/' }].map(path => ({
              ...path,
              backend: { service: { name: 's', port: { number: 80 } } },
            })),
          },
        },
      ],
    }),
    [
      'spec.rules[0].http.paths[0].path: Invalid value: "x": must be an absolute path',
      'spec.rules[0].http.paths[1].pathType: Required value: pathType must be specified',
    ],
  ],
  [
    'fewer replicas at most than at least',
    'horizontalpodautoscalers',
    autoscaler('h', { minReplicas: 3 }),
    ['spec.maxReplicas: Invalid value: 2: must be greater than or equal to `minReplicas`'],
  ],
  [
    'no replicas at most',
    'horizontalpodautoscalers',
    autoscaler('h', { maxReplicas: undefined }),
    ['spec.maxReplicas: Required value', 'spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`'],
  ],
  [
    'a metric without its source',
    'horizontalpodautoscalers',
    autoscaler('h', { metrics: [{ type: 'Resource' }] }),
    ['spec.metrics[0].resource: Required value: must populate information for the given metric source'],
  ],
  [
    'numbers out of range',
    'leases',
    lease('l', { leaseDurationSeconds: 0, leaseTransitions: -1 }),
    ['spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0', `spec.leaseTransitions: Invalid value: -1: ${NOT_NEGATIVE}`],
  ],
  [
    'an object of another namespace',
    'events',
    event('e', 'other'),
    ['involvedObject.namespace: Invalid value: "other": does not match event.namespace'],
  ],
]

/** What cannot be decoded at all. */
const MALFORMED: readonly (readonly [title: string, plural: string, object: Json, message: string])[] = [
  [
    'base64 that is none',
    'secrets',
    secret('a', { data: { a: '!!' } }),
    'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 0',
  ],
  [
    'a quantity that is none',
    'pods',
    pod('p', { containers: [container({ resources: { limits: { memory: 'abc' } } })] }),
    'Pod in version "v1" cannot be handled as a Pod: quantities must match the regular expression \'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$\'',
  ],
  [
    'text where a number stands',
    'deployments',
    deployment('d', { replicas: 'two' }),
    'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
  ],
  [
    'a number where text stands',
    'configmaps',
    configMap('a', { a: 1 }),
    'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string',
  ],
  [
    'a time that is none',
    'leases',
    lease('l', { renewTime: 'yesterday' }),
    'Lease in version "v1" cannot be handled as a Lease: parsing time "yesterday" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "yesterday" as "2006"',
  ],
]

/** Objects that the API server must refuse, with what it says of each field. */
export function invalidCases(api: Api): void {
  // Nothing gets stored, so one namespace serves all.
  let shared: Promise<string> | undefined
  const home = (plural: string) => (plural === 'namespaces' || plural === 'nodes' ? '' : (shared ??= api.namespace()))

  for (const [topic, cases] of Object.entries({ METADATA, CONFIG, PODS, APPS, SERVICES, OTHERS })) {
    suite(`refused objects: ${topic.toLowerCase()}`, () => {
      for (const [title, plural, object, causes] of cases) {
        test(`${plural}: ${title}`, async () => {
          const answer = await api.post(at(plural, await home(plural)), object)
          isInvalid(answer, plural, object.metadata.name ?? '', causes)
        })
      }
    })
  }
  suite('refused objects: malformed', () => {
    test('secrets: registry credentials that are no JSON', async () => {
      const answer = await api.post(
        at('secrets', await home('secrets')),
        secret('a', { type: 'kubernetes.io/dockerconfigjson', stringData: { '.dockerconfigjson': '{b' } }),
      )
      isFailure(answer, 422, 'Invalid', /data\[\.dockerconfigjson\]: Invalid value: "<secret contents redacted>": /)
    })
    for (const [title, plural, object, message] of MALFORMED) {
      test(`${plural}: ${title}`, async () => {
        isFailure(await api.post(at(plural, await home(plural)), object), 400, 'BadRequest', message)
      })
    }
  })
}
