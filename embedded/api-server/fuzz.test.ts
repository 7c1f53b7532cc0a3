import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { KINDS } from './kinds/registry.ts'
import { startApiServer } from './server.ts'
import { TestClient } from './test-client.ts'

const server = await startApiServer()
const client = new TestClient(server)
after(async () => {
  client.close()
  await server.stop()
})

const ROUNDS = 60
const PATCHES = ['application/merge-patch+json', 'application/strategic-merge-patch+json', 'application/apply-patch+yaml']

// Objects with one value replaced, dropped or doubled at a place where nobody expects it. Whatever comes is refused with a reason or kept whole:
// a 500 of our own making, or a list that is no JSON any more, is a fault.
for (const kind of KINDS) {
  test(`${kind.plural} that are broken at random are refused in words, or kept whole`, async () => {
    const random = generator(kind.plural.length * 1000 + kind.plural.charCodeAt(0))
    const root = kind.group ? `/apis/${kind.group}/${kind.version}` : '/api/v1'
    const path = `${root}${kind.namespaced ? '/namespaces/default' : ''}/${kind.plural}`
    for (let round = 0; round < ROUNDS; round++) {
      const name = `f${round % 7}`
      const object = {
        apiVersion: root.replace(/^\/apis?\//, ''),
        kind: kind.kind,
        metadata: { name, labels: { a: 'b' } },
        ...SAMPLES[kind.kind],
      }
      const broken = mutate(structuredClone(object), random)
      const answers = [
        await client.send('POST', path, round % 7 === round ? object : broken),
        await client.send('PUT', `${path}/${name}`, broken),
        await client.send('PUT', `${path}/${name}/status`, broken),
        await client.send('PATCH', `${path}/${name}?fieldManager=fuzz&force=true`, broken, { 'content-type': PATCHES[2]! }),
        await client.send('PATCH', `${path}/${name}`, broken, { 'content-type': PATCHES[round % 2]! }),
        await client.send('PATCH', `${path}/${name}/scale`, broken, { 'content-type': PATCHES[round % 2]! }),
        await client.send(
          'DELETE',
          `${path}/f${Math.trunc(random() * 7)}`,
          round % 3 === 0 ? mutate({ gracePeriodSeconds: 0 }, random) : undefined,
        ),
      ]
      for (const { status, body, text } of answers) {
        assert.ok(status < 500 || !/^Internal error/.test(body?.message), `${text}\nof ${JSON.stringify(broken)}`)
        assert.ok(body, text)
      }
    }
    const { status, body } = await client.send('GET', path)
    assert.equal(status, 200)
    assert.equal(body.kind, `${kind.kind}List`)
    const table = await client.send('GET', path, undefined, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' })
    assert.equal(table.body.rows.length, body.items.length, table.text)
  })
}

const template = {
  metadata: { labels: { a: 'b' }, annotations: { c: 'd' } },
  spec: {
    containers: [
      {
        name: 'c',
        image: 'i',
        command: ['x'],
        env: [
          { name: 'A', value: '1' },
          { name: 'B', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } },
        ],
        ports: [{ containerPort: 80, name: 'http' }],
        resources: { limits: { cpu: '1', memory: '1Gi' } },
        readinessProbe: { httpGet: { port: 'http' } },
        lifecycle: { preStop: { exec: { command: ['x'] } } },
        volumeMounts: [{ name: 'v', mountPath: '/v' }],
      },
    ],
    volumes: [{ name: 'v', secret: { secretName: 's', items: [{ key: 'a', path: 'b' }] } }],
    tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 1 }],
    nodeSelector: { a: 'b' },
  },
}
const workload = {
  spec: { replicas: 1, selector: { matchLabels: { a: 'b' } }, template },
  status: { replicas: 1, conditions: [{ type: 'A', status: 'True' }] },
}
const backend = { service: { name: 's', port: { number: 80 } } }

const SAMPLES: Record<string, object> = {
  ConfigMap: { data: { a: 'b' }, binaryData: { c: 'YQ==' }, immutable: false },
  Secret: { data: { a: 'YQ==' }, stringData: { b: 'c' }, type: 'Opaque' },
  Service: {
    spec: { type: 'NodePort', selector: { a: 'b' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }], externalIPs: ['1.2.3.4'] },
    status: { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } },
  },
  Endpoints: { subsets: [{ addresses: [{ ip: '1.2.3.4', hostname: 'a' }], ports: [{ port: 80 }] }] },
  EndpointSlice: {
    addressType: 'IPv4',
    endpoints: [{ addresses: ['1.2.3.4'], conditions: { ready: true } }],
    ports: [{ name: 'http', port: 80 }],
  },
  Event: {
    involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
    reason: 'R',
    message: 'm',
    series: { count: 1, lastObservedTime: '2020-01-01T00:00:00.000000Z' },
  },
  Pod: {
    spec: template.spec,
    status: {
      phase: 'Running',
      podIPs: [{ ip: '1.2.3.4' }],
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [
        {
          name: 'c',
          ready: true,
          restartCount: 1,
          image: 'i',
          imageID: '',
          state: { running: {} },
          lastState: { terminated: { exitCode: 1 } },
        },
      ],
    },
  },
  Node: {
    spec: { taints: [{ key: 'a', effect: 'NoSchedule' }], podCIDR: '10.0.0.0/24' },
    status: {
      capacity: { cpu: '1' },
      conditions: [{ type: 'Ready', status: 'True' }],
      addresses: [{ type: 'InternalIP', address: '1.2.3.4' }],
    },
  },
  Namespace: { spec: { finalizers: ['kubernetes'] } },
  ResourceQuota: { spec: { hard: { 'count/leases.coordination.k8s.io': '1000' }, scopes: [] }, status: { hard: { pods: '1' } } },
  ServiceAccount: { secrets: [{ name: 's' }] },
  Deployment: { ...workload, spec: { ...workload.spec, strategy: { rollingUpdate: { maxSurge: '10%', maxUnavailable: 1 } } } },
  ReplicaSet: workload,
  Job: {
    spec: { template: { ...template, spec: { ...template.spec, restartPolicy: 'Never' } } },
    status: { conditions: [{ type: 'Complete', status: 'True' }], startTime: '2020-01-01T00:00:00Z' },
  },
  HorizontalPodAutoscaler: {
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' },
      maxReplicas: 3,
      metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }],
      behavior: { scaleDown: { policies: [{ type: 'Pods', value: 1, periodSeconds: 1 }] } },
    },
    status: { desiredReplicas: 1, currentMetrics: [{ type: 'Resource', resource: { name: 'cpu', current: {} } }] },
  },
  Lease: { spec: { holderIdentity: 'a', leaseDurationSeconds: 1, renewTime: '2020-01-01T00:00:00.000000Z' } },
  Ingress: {
    spec: {
      rules: [{ host: 'a.b', http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
      tls: [{ hosts: ['a.b'], secretName: 's' }],
      defaultBackend: backend,
    },
  },
}

const ODD = [
  null,
  '',
  'x',
  ' ',
  '\u0000',
  0,
  -1,
  1.5,
  1e30,
  true,
  false,
  [],
  [null],
  [[]],
  {},
  { a: null },
  { '': '' },
  [{}],
  'a'.repeat(300),
  JSON.parse('{"__proto__":1}'),
]

/** Breaks one to three places of a value. */
function mutate(value: unknown, random: () => number): unknown {
  const root = { value }
  const count = 1 + Math.trunc(random() * 3)
  for (let index = 0; index < count; index++) {
    const places: [Record<string, unknown>, string][] = []
    gather(root, places)
    const place = places[Math.trunc(random() * places.length)]
    // Nothing is left to break.
    if (!place) break
    const [parent, key] = place
    const dice = random()
    if (dice < 0.2) delete parent[key]
    else if (dice < 0.3 && Array.isArray(parent)) parent.push(structuredClone(parent[Number(key)]))
    else parent[key] = structuredClone(ODD[Math.trunc(random() * ODD.length)])
  }
  return root.value ?? {}
}

function gather(value: unknown, places: [Record<string, unknown>, string][]): void {
  if (typeof value !== 'object' || value === null) return
  for (const [key, child] of Object.entries(value)) {
    // Who and what it is stays mostly right, so that something deeper is reached.
    if (key !== 'apiVersion' && key !== 'kind') places.push([value as Record<string, unknown>, key])
    gather(child, places)
  }
}

/** Random enough, and the same each time. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}
