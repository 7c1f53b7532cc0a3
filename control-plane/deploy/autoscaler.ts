import type { HorizontalPodAutoscaler } from 'kubernetes-types/autoscaling/v2'
import { HERITAGE, LABELS } from '../../kernel/contract.ts'
import type { Autoscale } from '../domain/app.ts'
import { deploymentName } from './deployment.ts'

/** The autoscaler of one process type. */
export function buildAutoscaler(app: string, type: string, bounds: Autoscale): HorizontalPodAutoscaler {
  const name = deploymentName(app, type)
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name, namespace: app, labels: { [LABELS.app]: app, [LABELS.type]: type, [LABELS.heritage]: HERITAGE } },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
      minReplicas: bounds.min,
      maxReplicas: bounds.max,
      metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: bounds.cpu_percent } } }],
    },
  }
}
