import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { holds } from './answers.ts'
import { type Api, at, type Json } from './api.ts'
import {
  autoscaler,
  container,
  deployment,
  endpointSlice,
  event,
  ingress,
  job,
  pod,
  replicaSet,
  secret,
  service,
  template,
} from './samples.ts'

const CONTAINER = {
  name: 'c',
  image: 'registry.test/c:1',
  resources: {},
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'File',
  imagePullPolicy: 'IfNotPresent',
}

const TEMPLATE_SPEC = {
  containers: [CONTAINER],
  restartPolicy: 'Always',
  terminationGracePeriodSeconds: 30,
  dnsPolicy: 'ClusterFirst',
  automountServiceAccountToken: false,
  securityContext: {},
  schedulerName: 'default-scheduler',
}

const PROBE = { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 }

/** What the server adds to an object: the whole of it, since clients compare what they sent with what they read. */
export function defaultCases(api: Api): void {
  const make = async (plural: string, object: Json) => api.must('POST', at(plural, await api.namespace()), object)

  suite('defaults', () => {
    test('of a Pod', async () => {
      const { spec, status } = await make('pods', pod('p'))
      // The service account is the business of an admission plug-in, which needs the account to be there.
      const { serviceAccount: _, serviceAccountName: __, ...rest } = spec
      const eviction = { operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 }
      assert.deepEqual(rest, {
        ...TEMPLATE_SPEC,
        priority: 0,
        preemptionPolicy: 'PreemptLowerPriority',
        enableServiceLinks: true,
        tolerations: [
          { key: 'node.kubernetes.io/not-ready', ...eviction },
          { key: 'node.kubernetes.io/unreachable', ...eviction },
        ],
      })
      assert.deepEqual(status, { phase: 'Pending', qosClass: 'BestEffort' })
    })
    test('of ports, probes and environment of a container', async () => {
      const { spec } = await make(
        'pods',
        pod('p', {
          containers: [
            container({
              ports: [{ containerPort: 80 }],
              env: [{ name: 'N', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
              livenessProbe: { httpGet: { port: 80 } },
              readinessProbe: { tcpSocket: { port: 80 }, periodSeconds: 3 },
              startupProbe: { exec: { command: ['true'] } },
            }),
          ],
        }),
      )
      assert.deepEqual(spec.containers[0], {
        ...CONTAINER,
        ports: [{ containerPort: 80, protocol: 'TCP' }],
        env: [{ name: 'N', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } }],
        livenessProbe: { httpGet: { path: '/', port: 80, scheme: 'HTTP' }, ...PROBE },
        readinessProbe: { tcpSocket: { port: 80 }, ...PROBE, periodSeconds: 3 },
        startupProbe: { exec: { command: ['true'] }, ...PROBE },
      })
    })
    test('of the pull policy: Always for the latest image', async () => {
      const images = ['a', 'a:latest', 'a:1', 'host:5000/a', 'a@sha256:0123456789012345678901234567890123456789012345678901234567890123']
      const { spec } = await make('pods', pod('p', { containers: images.map((image, n) => ({ name: `c${n}`, image })) }))
      assert.deepEqual(
        spec.containers.map((each: Json) => each.imagePullPolicy),
        ['Always', 'Always', 'IfNotPresent', 'Always', 'IfNotPresent'],
      )
    })
    test('of requests: the limits; quantities take their shortest form', async () => {
      const { spec, status } = await make(
        'pods',
        pod('p', { containers: [container({ resources: { limits: { cpu: '0.5', memory: '1024Ki' } } })] }),
      )
      assert.deepEqual(spec.containers[0].resources, { limits: { cpu: '500m', memory: '1Mi' }, requests: { cpu: '500m', memory: '1Mi' } })
      assert.equal(status.qosClass, 'Guaranteed')
    })
    test('of the quality of service', async () => {
      const { status } = await make('pods', pod('p', { containers: [container({ resources: { requests: { cpu: '1' } } })] }))
      assert.equal(status.qosClass, 'Burstable')
    })
    test('of volumes', async () => {
      const { spec } = await make(
        'pods',
        pod('p', { volumes: [{ name: 'v' }, { name: 's', secret: { secretName: 'x' } }, { name: 'c', configMap: { name: 'c' } }] }),
      )
      assert.deepEqual(spec.volumes, [
        { name: 'v', emptyDir: {} },
        { name: 's', secret: { secretName: 'x', defaultMode: 420 } },
        { name: 'c', configMap: { name: 'c', defaultMode: 420 } },
      ])
    })
    test('of a Deployment', async () => {
      const { spec, status } = await make('deployments', deployment('d'))
      assert.deepEqual(spec, {
        replicas: 1,
        selector: { matchLabels: { app: 'a' } },
        template: { metadata: { labels: { app: 'a' } }, spec: TEMPLATE_SPEC },
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
        revisionHistoryLimit: 10,
        progressDeadlineSeconds: 600,
      })
      assert.deepEqual(status, {})
    })
    test('of a Deployment that recreates', async () => {
      const { spec } = await make('deployments', deployment('d', { strategy: { type: 'Recreate' } }))
      assert.deepEqual(spec.strategy, { type: 'Recreate' })
    })
    test('of a ReplicaSet', async () => {
      const { spec, status } = await make('replicasets', replicaSet('d'))
      assert.deepEqual(spec, {
        replicas: 1,
        selector: { matchLabels: { app: 'a' } },
        template: { metadata: { labels: { app: 'a' } }, spec: TEMPLATE_SPEC },
      })
      assert.deepEqual(status, { replicas: 0 })
    })
    test('of a Job: its selector and labels come from its uid', async () => {
      const { metadata, spec, status } = await make('jobs', job('j'))
      const labels = {
        'batch.kubernetes.io/controller-uid': metadata.uid,
        'batch.kubernetes.io/job-name': 'j',
        'controller-uid': metadata.uid,
        'job-name': 'j',
      }
      assert.deepEqual(metadata.labels, labels)
      assert.deepEqual(spec, {
        parallelism: 1,
        completions: 1,
        backoffLimit: 6,
        completionMode: 'NonIndexed',
        suspend: false,
        manualSelector: false,
        podReplacementPolicy: 'TerminatingOrFailed',
        selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': metadata.uid } },
        template: { metadata: { labels }, spec: { ...TEMPLATE_SPEC, restartPolicy: 'Never' } },
      })
      assert.deepEqual(status, {})
    })
    test('of a Job whose template has labels of its own', async () => {
      const { metadata, spec } = await make('jobs', job('j', { template: template({ restartPolicy: 'OnFailure' }) }))
      assert.equal(spec.template.metadata.labels.app, 'a')
      assert.equal(spec.template.metadata.labels['job-name'], 'j')
      assert.deepEqual(Object.keys(metadata.labels).sort(), Object.keys(spec.template.metadata.labels).sort())
    })
    test('of a Service', async () => {
      const { spec, status } = await make('services', service('s'))
      const { clusterIP, ...rest } = spec
      assert.match(clusterIP, /^\d+\.\d+\.\d+\.\d+$/)
      assert.deepEqual(rest, {
        ports: [{ protocol: 'TCP', port: 80, targetPort: 80 }],
        clusterIPs: [clusterIP],
        type: 'ClusterIP',
        sessionAffinity: 'None',
        ipFamilies: ['IPv4'],
        ipFamilyPolicy: 'SingleStack',
        internalTrafficPolicy: 'Cluster',
      })
      assert.deepEqual(status, { loadBalancer: {} })
    })
    test('of a Service whose name begins with a digit: it may', async () => {
      assert.equal((await make('services', service('1app'))).metadata.name, '1app')
    })
    test('of Services: each has a cluster IP of its own', async () => {
      const namespace = await api.namespace()
      const made = await Promise.all(['a', 'b', 'c'].map(name => api.must('POST', at('services', namespace), service(name))))
      assert.equal(new Set(made.map(each => each.spec.clusterIP)).size, 3)
    })
    test('of a headless Service', async () => {
      const { spec } = await make('services', service('s', { clusterIP: 'None', selector: { app: 'a' } }))
      holds(spec, { clusterIP: 'None', clusterIPs: ['None'], type: 'ClusterIP', ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' })
    })
    test('of an external name', async () => {
      const { spec } = await make('services', service('s', { type: 'ExternalName', externalName: 'a.test', ports: [] }))
      assert.deepEqual(spec, { type: 'ExternalName', externalName: 'a.test', sessionAffinity: 'None' })
    })
    test('of a Secret: Opaque; stringData is written into data over what stands there, and never read', async () => {
      const made = await make('secrets', secret('s', { data: { a: 'b2xk', b: 'Yg==' }, stringData: { a: 'new' } }))
      assert.deepEqual([made.type, made.data, made.stringData], ['Opaque', { a: 'bmV3', b: 'Yg==' }, undefined])
    })
    test('of an EndpointSlice: conditions and ports', async () => {
      const made = await make(
        'endpointslices',
        endpointSlice('e', { endpoints: [{ addresses: ['10.0.0.1'] }], ports: [{ port: 80 }, { name: 'a', port: 81 }] }),
      )
      assert.deepEqual(made.endpoints, [{ addresses: ['10.0.0.1'], conditions: {} }])
      assert.deepEqual(made.ports, [
        { name: '', protocol: 'TCP', port: 80 },
        { name: 'a', protocol: 'TCP', port: 81 },
      ])
    })
    test('of Endpoints', async () => {
      const made = await make('endpoints', {
        metadata: { name: 'e' },
        subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 1 }] }],
      })
      assert.deepEqual(made.subsets, [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 1, protocol: 'TCP' }] }])
    })
    test('of an autoscaler: one replica, 80 % of CPU', async () => {
      const { spec } = await make('horizontalpodautoscalers', autoscaler('h'))
      assert.deepEqual(spec, {
        scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' },
        minReplicas: 1,
        maxReplicas: 2,
        metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }],
      })
    })
    test('of an Ingress', async () => {
      const { spec, status } = await make('ingresses', ingress('i'))
      assert.deepEqual([spec, status], [{ defaultBackend: { service: { name: 's', port: { number: 80 } } } }, { loadBalancer: {} }])
    })
    test('of an Event: its empty fields are written out', async () => {
      const namespace = await api.namespace()
      const made = await api.must('POST', at('events', namespace), event('e', namespace))
      assert.deepEqual(
        [made.source, made.firstTimestamp, made.lastTimestamp, made.eventTime, made.reportingComponent, made.reportingInstance],
        [{}, null, null, null, '', ''],
      )
    })
  })
}
