import { after, before, suite, test } from 'node:test'
import { startEmulator } from './kubernetes/emulator-target.ts'
import { findKubectl, Kubectl } from './kubernetes/kubectl.ts'
import { kubectlChangeCases } from './kubernetes/kubectl-change-cases.ts'
import { kubectlLogCases } from './kubernetes/kubectl-log-cases.ts'
import { kubectlReadCases } from './kubernetes/kubectl-read-cases.ts'
import { kubectlRolloutCases } from './kubernetes/kubectl-rollout-cases.ts'
import { NodeAgent } from './kubernetes/node-agent.ts'
import { findReal, hasControllers, startReal, startRealControllers } from './kubernetes/real-target.ts'
import type { Target } from './kubernetes/target.ts'

// The unmodified kubectl against the emulator, each of its verbs. DRYCC_TEST_REAL_KUBERNETES=1 runs the same against a real server, which
// is how the expected output came to be.

const CONCURRENT = 4

const found = findKubectl()
if (!found) test('kubectl', { skip: 'no kubectl is at hand: set KUBEBUILDER_ASSETS to a folder that has it' }, () => {})
else {
  await against('kubectl and the emulator', found, await startEmulator(true), true)
  const source = findReal()
  if (process.env['DRYCC_TEST_REAL_KUBERNETES'] === '1' && source.kind !== 'none') {
    const first = await startReal(source)
    await first.stop()
    if (hasControllers(first.bin)) await against('kubectl and kube-apiserver', found, await startRealControllers(first.bin), false)
  }
}

/** @param logs whether the server asks nodes for logs in the way in which the test's agent gives them */
async function against(name: string, path: string, target: Target, logs: boolean): Promise<void> {
  const { api } = target
  const kubectl = await Kubectl.open(path, api.access)
  const agent = new NodeAgent(api)
  suite(name, () => {
    before(() => agent.start())
    suite('at once', { concurrency: CONCURRENT }, () => {
      for (const cases of [kubectlReadCases, kubectlChangeCases, kubectlRolloutCases]) cases(api, kubectl, agent)
      if (logs) kubectlLogCases(api, kubectl, agent)
    })
    after(async () => {
      await agent.stop()
      await target.stop()
      await kubectl.close()
    })
  })
}
