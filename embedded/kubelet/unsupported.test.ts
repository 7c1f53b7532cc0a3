import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { listUnsupported } from './unsupported.ts'

suite('listUnsupported()', () => {
  test('names what somebody has set and what has no effect', () => {
    const web = { name: 'web', tty: true, securityContext: { runAsUser: 1000 }, ports: [{ containerPort: 80, hostPort: 80 }] }
    const spec = { hostPID: true, securityContext: { fsGroup: 1 }, containers: [web] }
    assert.deepEqual(listUnsupported({ spec }), [
      'spec.hostPID',
      'spec.securityContext.fsGroup',
      'spec.containers{web}.tty',
      'spec.containers{web}.securityContext.runAsUser',
      'spec.containers{web}.ports.hostPort 80',
    ])
  })
  test('is silent about what the API server fills in by itself', () => {
    const web = {
      name: 'web',
      stdin: false,
      resources: {},
      terminationMessagePath: '/dev/termination-log',
      ports: [{ containerPort: 80, protocol: 'TCP' }],
    }
    assert.deepEqual(
      listUnsupported({ spec: { securityContext: {}, dnsPolicy: 'ClusterFirst', enableServiceLinks: true, containers: [web] } }),
      [],
    )
  })
})
