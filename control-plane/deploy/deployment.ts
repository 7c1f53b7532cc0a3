import type { Deployment } from 'kubernetes-types/apps/v1'
import { HERITAGE, LABELS } from '../../kernel/contract.ts'
import type { Release } from '../domain/release.ts'
import { podTemplate } from './pod-template.ts'

/** The annotation by which a rolling restart is asked for, the same as `kubectl rollout restart` writes. */
export const RESTARTED_AT = 'kubectl.kubernetes.io/restartedAt'

export interface DeploymentOptions {
  readonly replicas: number
  /** Whether the type takes the app's traffic. */
  readonly isRouted: boolean
  /** How many nodes may take pods: so many new ones start at once. */
  readonly nodeCount: number
  /** What a pod is left between the word that it goes and the signal to end. */
  readonly stopDelaySeconds: number
}

/** Names the Deployment of a process type. */
export function deploymentName(app: string, type: string): string {
  return `${app}-${type}`
}

/** The Deployment of one process type, from its release alone. */
export function buildDeployment(release: Release, type: string, options: DeploymentOptions): Deployment {
  const { app } = release
  const selector = { [LABELS.app]: app, [LABELS.type]: type, [LABELS.heritage]: HERITAGE }
  const history = release.config.values['KUBERNETES_DEPLOYMENTS_REVISION_HISTORY_LIMIT'] ?? ''
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      name: deploymentName(app, type),
      namespace: app,
      labels: selector,
      annotations: { 'kubernetes.io/change-cause': release.summary },
    },
    spec: {
      replicas: options.replicas,
      // The selector must not hold the version: it cannot change, and old pods are to be found by it.
      selector: { matchLabels: selector },
      strategy: {
        type: 'RollingUpdate',
        rollingUpdate: { maxUnavailable: 0, maxSurge: batchSize(release, options.replicas, options.nodeCount) },
      },
      ...(/^\d{1,4}$/.test(history) ? { revisionHistoryLimit: Number(history) } : {}),
      template: podTemplate(release, type, options),
    },
  }
}

/** How many pods start at once: what the app asks for, else one a node and at least a quarter of all, never more than there shall be. */
export function batchSize(release: Release, replicas: number, nodeCount: number): number {
  const asked = release.config.values['DEIS_DEPLOY_BATCHES'] ?? ''
  const size = /^[1-9]\d{0,3}$/.test(asked) ? Number(asked) : Math.max(nodeCount, Math.ceil(replicas / 4))
  return Math.max(1, Math.min(size, replicas))
}

/** How long a rollout may take: each batch the time for one start, the first probe's delay added. */
export function rolloutTimeoutMs(release: Release, deployment: Deployment, batchTimeoutMs: number): number {
  const asked = release.config.values['DEIS_DEPLOY_TIMEOUT'] ?? ''
  const container = deployment.spec?.template.spec?.containers[0]
  const delays = [container?.readinessProbe, container?.livenessProbe].map(probe => probe?.initialDelaySeconds ?? 0)
  const startMs = (/^[1-9]\d{0,5}$/.test(asked) ? Number(asked) * 1000 : batchTimeoutMs) + Math.max(...delays) * 1000
  const replicas = Math.max(1, deployment.spec?.replicas ?? 1)
  const surge = Number(deployment.spec?.strategy?.rollingUpdate?.maxSurge ?? 1)
  return startMs * Math.ceil(replicas / Math.max(1, surge))
}
