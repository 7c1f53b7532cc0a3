import type { Container, EnvVar, LifecycleHandler, PodSpec, PodTemplateSpec } from 'kubernetes-types/core/v1'
import { HERITAGE, LABELS } from '../../kernel/contract.ts'
import { own } from '../domain/fields.ts'
import { type Probe, ROUTABLE_TYPE } from '../domain/healthcheck.ts'
import { resourcesOf } from '../domain/limits.ts'
import type { Release } from '../domain/release.ts'
import { environmentName, environmentOf, portOf } from './environment.ts'
import { PORT_NAME } from './service.ts'

/** The Secret with the credentials of the app's own registry. */
export const PULL_SECRET = 'private-registry'

const GRACE_SECONDS = 30

/**
 * The pods of one process type.
 *
 * @param options.isRouted whether the type takes the app's traffic: it must listen before it counts as ready
 * @param options.stopDelaySeconds until every router has heard that a pod goes: only then is it told to end
 */
export function podTemplate(
  release: Release,
  type: string,
  { isRouted, stopDelaySeconds }: { readonly isRouted: boolean; readonly stopDelaySeconds: number },
): PodTemplateSpec {
  const delaySeconds = own(release.config.lifecycle_pre_stop, type) === undefined ? stopDelaySeconds : 0
  return {
    metadata: {
      labels: {
        [LABELS.app]: release.app,
        [LABELS.type]: type,
        [LABELS.version]: `v${release.version}`,
        [LABELS.heritage]: HERITAGE,
      },
    },
    spec: {
      ...podSpec(release, type, commandOf(release, type), {
        ...probesOf(release, type, isRouted),
        ...lifecycleOf(release, type, delaySeconds),
      }),
      restartPolicy: 'Always',
      // The hook's time counts against the grace period, and the app is to have all of its own.
      terminationGracePeriodSeconds: graceOf(release, type) + delaySeconds,
    },
  }
}

/** The one-off pod of a command that a user wants run with the app's environment, limits and tags. */
export function runPodSpec(release: Release, command: string): PodSpec {
  return {
    ...podSpec(release, 'run', ['/bin/bash', '-c', command], {}),
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: graceOf(release, 'run'),
  }
}

function podSpec(release: Release, type: string, command: readonly string[] | undefined, more: Partial<Container>): PodSpec {
  const { app, build, config } = release
  const { IMAGE_PULL_POLICY: pullPolicy } = config.values
  const resources = resourcesOf(own(config.memory, type), own(config.cpu, type))
  const container: Container = {
    name: containerName(app, type),
    image: build?.image ?? '',
    ...(command ? { command: [...command] } : {}),
    env: environment(release),
    ...(type === 'run' ? {} : { ports: [{ name: PORT_NAME, containerPort: portOf(release), protocol: 'TCP' }] }),
    ...(pullPolicy ? { imagePullPolicy: pullPolicy as 'Always' } : {}),
    ...(Object.keys(resources).length > 0 ? { resources } : {}),
    ...more,
  }
  return {
    containers: [container],
    // An app has no business with the API server of the cluster it runs in.
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    ...(Object.keys(config.tags).length > 0 ? { nodeSelector: { ...config.tags } } : {}),
    ...(Object.keys(config.registry).length > 0 ? { imagePullSecrets: [{ name: PULL_SECRET }] } : {}),
  }
}

/** `<app>-<type>`, as far as a container's name may be long. */
function containerName(app: string, type: string): string {
  return `${app}-${type}`.slice(0, 63).replace(/-+$/, '')
}

/** The procfile's line goes to the shell as one argument; a type without a line runs what the image runs by default. */
function commandOf(release: Release, type: string): readonly string[] | undefined {
  const procfile = release.build?.procfile ?? {}
  const line = own(procfile, type)
  return line === undefined ? undefined : ['/bin/bash', '-c', line]
}

/** PORT is no secret and stands in the clear, so that the kubelet sees which variable names the declared port. */
function environment(release: Release): EnvVar[] {
  const secret = environmentName(release.app, release.version)
  return Object.entries(environmentOf(release))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => (name === 'PORT' ? { name, value } : { name, valueFrom: { secretKeyRef: { name: secret, key: name } } }))
}

function probesOf(release: Release, type: string, isRouted: boolean): Partial<Container> {
  const { healthcheck } = release.config
  const isRoutable = type === 'web' || type === 'cmd'
  const probes = own(healthcheck, type) ?? (isRoutable ? healthcheck[ROUTABLE_TYPE] : undefined)
  const readiness = probes?.readinessProbe ?? (isRouted ? listens(release) : undefined)
  return {
    ...(probes?.livenessProbe ? { livenessProbe: probes.livenessProbe as Container['livenessProbe'] & object } : {}),
    ...(readiness ? { readinessProbe: readiness as Container['readinessProbe'] & object } : {}),
  }
}

/** Ready when it listens. Asked each second from the start, so that a rollout waits no longer than the app does. */
function listens(release: Release): Probe {
  return {
    tcpSocket: { port: portOf(release) },
    initialDelaySeconds: 0,
    timeoutSeconds: 5,
    periodSeconds: 1,
    successThreshold: 1,
    failureThreshold: 3,
  }
}

/**
 * What runs after a process has started and before it is told to end; a shell reads both, as it reads the procfile's lines.
 *
 * Kubernetes takes an endpoint out and tells its pod to end at the same moment. An app that ends at once, or closes the connections that a
 * router keeps to it, would lose what routers send until they have heard of it, so the pod sleeps first; the kubelet itself does it, as
 * an image need not have a shell.
 */
function lifecycleOf({ config }: Release, type: string, delaySeconds: number): Pick<Container, 'lifecycle'> {
  const hook = (line: string) => ({ exec: { command: ['/bin/bash', '-c', line] } })
  const [postStart, preStop] = [own(config.lifecycle_post_start, type), own(config.lifecycle_pre_stop, type)]
  // Newer than our copy of the types: Kubernetes 1.30.
  const sleep = { sleep: { seconds: delaySeconds } } as LifecycleHandler
  const lifecycle = {
    ...(postStart ? { postStart: hook(postStart) } : {}),
    ...(preStop ? { preStop: hook(preStop) } : delaySeconds > 0 ? { preStop: sleep } : {}),
  }
  return Object.keys(lifecycle).length > 0 ? { lifecycle } : {}
}

function graceOf({ config }: Release, type: string): number {
  const text = own(config.termination_grace_period, type) ?? config.values['KUBERNETES_POD_TERMINATION_GRACE_PERIOD_SECONDS'] ?? ''
  return /^\d{1,5}$/.test(text) ? Number(text) : GRACE_SECONDS
}
