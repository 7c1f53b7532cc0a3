import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { type Api, at } from './kubernetes/api.ts'
import { applyCases } from './kubernetes/apply-cases.ts'
import { createCases } from './kubernetes/create-cases.ts'
import { defaultCases } from './kubernetes/default-cases.ts'
import { deleteCases } from './kubernetes/delete-cases.ts'
import { deploymentCases } from './kubernetes/deployment-cases.ts'
import { discoveryCases } from './kubernetes/discovery-cases.ts'
import { startEmulator } from './kubernetes/emulator-target.ts'
import { endpointSliceCases } from './kubernetes/endpoint-slice-cases.ts'
import { garbageCases } from './kubernetes/garbage-cases.ts'
import { historyCases } from './kubernetes/history-cases.ts'
import { invalidCases } from './kubernetes/invalid-cases.ts'
import { jobCases } from './kubernetes/job-cases.ts'
import { listCases } from './kubernetes/list-cases.ts'
import { NodeAgent } from './kubernetes/node-agent.ts'
import { patchCases } from './kubernetes/patch-cases.ts'
import { findReal, hasControllers, startReal, startRealControllers } from './kubernetes/real-target.ts'
import { requestCases } from './kubernetes/request-cases.ts'
import { endpointSlice } from './kubernetes/samples.ts'
import { selectCases } from './kubernetes/select-cases.ts'
import { subresourceCases } from './kubernetes/subresource-cases.ts'
import { tableCases } from './kubernetes/table-cases.ts'
import type { Target } from './kubernetes/target.ts'
import { updateCases } from './kubernetes/update-cases.ts'
import { watchCases } from './kubernetes/watch-cases.ts'
import { wireCases } from './kubernetes/wire-cases.ts'

// One suite, two API servers: our emulator always, and a real kube-apiserver where one can be had. A case that only one of them passes
// is a fault: of the emulator, or of the case.

const CONCURRENT = 8
// Cases with controllers mostly wait for them.
const CONCURRENT_WAITING = 24

const TOPICS: readonly ((api: Api) => void)[] = [
  ...[createCases, defaultCases, invalidCases, updateCases, subresourceCases, selectCases, listCases, watchCases],
  ...[patchCases, applyCases, deleteCases, requestCases, discoveryCases, tableCases, wireCases],
]

run('emulator', await startEmulator(false), await startEmulator(true))

const source = findReal()
if (source.kind === 'none') test('kube-apiserver', { skip: source.why }, () => {})
else {
  const real = await startReal(source)
  const controlled = hasControllers(real.bin) ? await startRealControllers(real.bin) : undefined
  run('kube-apiserver', real, controlled)
  if (!controlled) test('kube-apiserver with controllers', { skip: `${real.bin} has no kube-controller-manager` }, () => {})
}

test('an emulator takes loopback addresses in EndpointSlices, which a cluster refuses', async () => {
  const target = await startEmulator(false)
  const slice = endpointSlice('e', { endpoints: [{ addresses: ['127.0.0.1'] }] })
  const { status, text } = await target.api.post(at('endpointslices', 'default'), slice)
  await target.stop()
  assert.equal(status, 201, text)
})

/** The cases that want no controllers and those that do go on at the same time: the first keep the machine busy, the second wait. */
function run(name: string, plain: Target, controlled: Target | undefined): void {
  suite(name, { concurrency: 2 }, () => {
    suite('without controllers', { concurrency: 1 }, () => {
      apiCases(plain)
      after(() => plain.stop())
    })
    if (!controlled) return
    suite('with controllers', () => {
      controllerCases(controlled)
      after(() => controlled.stop())
    })
  })
}

/** What holds without any controller: only clients change anything. */
function apiCases({ api, forget }: Target): void {
  suite('at once', { concurrency: CONCURRENT }, () => {
    for (const topic of TOPICS) topic(api)
  })
  suite('alone', () => historyCases(api, forget))
}

function controllerCases({ api }: Target): void {
  const agent = new NodeAgent(api)
  before(() => agent.start())
  after(() => agent.stop())
  suite('at once', { concurrency: CONCURRENT_WAITING }, () => {
    for (const topic of [deploymentCases, jobCases, endpointSliceCases, garbageCases]) topic(api, agent)
  })
}
