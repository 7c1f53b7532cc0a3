import type { Deployment } from 'kubernetes-types/apps/v1'
import type { Secret } from 'kubernetes-types/core/v1'
import { HERITAGE, LABELS } from '../../kernel/contract.ts'
import { isStatus, type KubernetesApi, listAll, remove } from '../../kernel/kubernetes/api.ts'
import { RESOURCES, type Stored } from '../../kernel/kubernetes/objects.ts'
import type { App } from '../domain/app.ts'
import type { Certificate } from '../domain/certificate.ts'
import { canonical } from '../domain/config.ts'
import type { Domain } from '../domain/hostname.ts'
import type { Release } from '../domain/release.ts'
import { buildAutoscaler } from './autoscaler.ts'
import { deploymentName, RESTARTED_AT } from './deployment.ts'
import { environmentSecret } from './environment.ts'
import { buildPathService, PATHS_LABEL } from './path-service.ts'
import { PULL_SECRET } from './pod-template.ts'
import { put } from './put.ts'
import { buildService, type CertificateWork } from './service.ts'

const ATTACHED = 'drycc.cc/attached'
const HERITAGE_SELECTOR = `${LABELS.heritage}=${HERITAGE}`

/** What of a certificate goes where the router looks for it. */
export type ServedCertificate = Pick<Certificate, 'name' | 'certificate' | 'key'>

/** The writes that make a cluster what the records say, one noun a method; each may be repeated. */
export class Cluster {
  readonly #api: KubernetesApi

  constructor(api: KubernetesApi) {
    this.#api = api
  }

  /** The labels of the nodes that take pods. */
  async nodes(): Promise<Readonly<Record<string, string>>[]> {
    const { items } = await listAll(this.#api, RESOURCES.nodes)
    return items.filter(node => !node.spec?.unschedulable).map(node => node.metadata.labels ?? {})
  }

  /** Writes the app's Service where it differs. */
  async applyService(app: App, domains: readonly Domain[], type: string | undefined, work: CertificateWork): Promise<void> {
    await put(this.#api, RESOURCES.services, app.id, app.id, standing => {
      const wanted = buildService(standing, app, domains, type, work)
      return standing && canonical(standing) === canonical(wanted) ? undefined : wanted
    })
  }

  /** Makes the Services of the types that answer paths of the app's host: no more, no fewer. */
  async applyPathServices(app: App): Promise<void> {
    const wanted = Object.entries(app.services ?? {})
    for (const [type, paths] of wanted) {
      await put(this.#api, RESOURCES.services, app.id, deploymentName(app.id, type), standing => {
        const next = buildPathService(standing, app, type, paths)
        return standing && canonical(standing) === canonical(next) ? undefined : next
      })
    }
    const { items } = await listAll(this.#api, RESOURCES.services, { namespace: app.id, labelSelector: PATHS_LABEL })
    for (const { metadata } of items)
      if (!wanted.some(([type]) => deploymentName(app.id, type) === metadata.name))
        await remove(this.#api, RESOURCES.services, app.id, metadata.name)
  }

  /** Writes the environment of a release, and the credentials for its registry. */
  async applyEnvironment(release: Release): Promise<void> {
    await this.#applySecret(environmentSecret(release))
    const { username, password, hostname = 'https://index.docker.io/v1/' } = release.config.registry
    if (username === undefined && password === undefined) return
    const auth = Buffer.from(`${username}:${password}`).toString('base64')
    const config = JSON.stringify({ auths: { [hostname]: { username, password, auth } } })
    await this.#applySecret({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: PULL_SECRET, namespace: release.app, labels: { [LABELS.app]: release.app, [LABELS.heritage]: HERITAGE } },
      type: 'kubernetes.io/dockerconfigjson',
      data: { '.dockerconfigjson': Buffer.from(config).toString('base64') },
    })
  }

  /** Removes the environments of an app's releases, save those of the versions named. */
  async removeEnvironments(app: string, keep: readonly number[]): Promise<void> {
    const { items } = await listAll(this.#api, RESOURCES.secrets, { namespace: app, labelSelector: `${LABELS.type}=env` })
    const kept = keep.map(version => `v${version}`)
    for (const { metadata } of items)
      if (!kept.includes(metadata.labels?.[LABELS.version] ?? '')) await remove(this.#api, RESOURCES.secrets, app, metadata.name)
  }

  /**
   * Writes a Deployment. Where the same release stands already its pods are left alone, and only their number is set: so neither a
   * restart nor an update of the control plane moves a pod.
   *
   * @param keepReplicas whether the number of pods is somebody else's: an autoscaler's
   */
  async applyDeployment(wanted: Deployment, keepReplicas: boolean): Promise<Stored<Deployment>> {
    const { namespace = '', name = '' } = wanted.metadata ?? {}
    const applied = await put(this.#api, RESOURCES.deployments, namespace, name, standing => {
      if (!standing) return wanted
      const replicas = (keepReplicas ? standing.spec?.replicas : wanted.spec?.replicas) ?? 1
      const isSame = versionOf(standing) === versionOf(wanted)
      if (isSame && standing.spec?.replicas === replicas) return undefined
      if (isSame) return { ...standing, spec: { ...standing.spec!, replicas, strategy: wanted.spec!.strategy! } }
      return {
        ...wanted,
        metadata: {
          ...standing.metadata,
          labels: { ...standing.metadata.labels, ...wanted.metadata?.labels },
          annotations: { ...standing.metadata.annotations, ...wanted.metadata?.annotations },
        },
        spec: { ...wanted.spec!, replicas },
      }
    })
    return applied!
  }

  /** Sets the number of pods. @throws {KubernetesError} 404 where there is no such Deployment */
  scaleDeployment(app: string, name: string, replicas: number): Promise<Stored<Deployment>> {
    return this.#api.patch(RESOURCES.deployments, app, name, { type: 'merge', body: { spec: { replicas } } })
  }

  /** Replaces all pods of a Deployment, one batch after the other. */
  restartDeployment(app: string, name: string): Promise<Stored<Deployment>> {
    const annotations = { [RESTARTED_AT]: new Date().toISOString() }
    const body = { spec: { template: { metadata: { annotations } } } }
    return this.#api.patch(RESOURCES.deployments, app, name, { type: 'merge', body })
  }

  removeDeployment(app: string, name: string): Promise<void> {
    return remove(this.#api, RESOURCES.deployments, app, name, { propagationPolicy: 'Background' })
  }

  removePod(app: string, name: string, options: { gracePeriodSeconds?: number } = {}): Promise<void> {
    return remove(this.#api, RESOURCES.pods, app, name, options)
  }

  /** Makes the autoscalers those of the app's settings: no more, no fewer. */
  async applyAutoscalers(app: App): Promise<void> {
    const { items } = await listAll(this.#api, RESOURCES.horizontalPodAutoscalers, { namespace: app.id, labelSelector: HERITAGE_SELECTOR })
    const wanted = Object.entries(app.settings.autoscale).map(([type, bounds]) => buildAutoscaler(app.id, type, bounds))
    for (const autoscaler of wanted) {
      await put(this.#api, RESOURCES.horizontalPodAutoscalers, app.id, autoscaler.metadata?.name ?? '', standing => {
        const next = standing ? { ...standing, spec: { ...standing.spec!, ...autoscaler.spec! } } : autoscaler
        return standing && canonical(standing) === canonical(next) ? undefined : next
      })
    }
    for (const { metadata } of items)
      if (!wanted.some(autoscaler => autoscaler.metadata?.name === metadata.name))
        await remove(this.#api, RESOURCES.horizontalPodAutoscalers, app.id, metadata.name)
  }

  /** The copies of certificates that stand beside an app's Service. */
  async certificates(app: string): Promise<readonly Stored<Secret>[]> {
    const { items } = await listAll(this.#api, RESOURCES.secrets, { namespace: app, labelSelector: `${ATTACHED}=certificate` })
    return items
  }

  /** Copies certificates to where the router looks for them, beside the app's Service. @param standing those that need not be asked for */
  async applyCertificates(app: string, certificates: readonly ServedCertificate[], standing: readonly Stored<Secret>[]): Promise<void> {
    const known = new Map(standing.map(secret => [secret.metadata.name, secret]))
    for (const { name, certificate, key } of certificates) {
      const secret: Secret = {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: {
          name: `${name}-cert`,
          namespace: app,
          labels: { [LABELS.app]: app, [LABELS.heritage]: HERITAGE, [ATTACHED]: 'certificate' },
        },
        type: 'kubernetes.io/tls',
        data: { 'tls.crt': Buffer.from(certificate).toString('base64'), 'tls.key': Buffer.from(key).toString('base64') },
      }
      if (!isSameSecret(known.get(`${name}-cert`), secret)) await this.#applySecret(secret)
    }
  }

  /** Removes copies of certificates, save those named. */
  async removeCertificates(app: string, keep: readonly string[], standing: readonly Stored<Secret>[]): Promise<void> {
    for (const { metadata } of standing)
      if (!keep.includes(metadata.name.replace(/-cert$/, ''))) await remove(this.#api, RESOURCES.secrets, app, metadata.name)
  }

  /**
   * Creates the namespace of an app.
   *
   * @returns whose it is: `created` now, `ours` from an attempt before, `foreign` when it is none of ours or on its way out
   */
  async claimNamespace(app: string): Promise<'created' | 'ours' | 'foreign'> {
    try {
      await this.#api.create(RESOURCES.namespaces, {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name: app, labels: { [LABELS.heritage]: HERITAGE, [LABELS.app]: app } },
      })
      return 'created'
    } catch (error) {
      if (!isStatus(error, 409)) throw error
    }
    const { metadata, status } = await this.#api.get(RESOURCES.namespaces, '', app)
    const isOurs = metadata.labels?.[LABELS.heritage] === HERITAGE && metadata.labels[LABELS.app] === app
    return isOurs && status?.phase !== 'Terminating' ? 'ours' : 'foreign'
  }

  removeNamespace(app: string): Promise<void> {
    return remove(this.#api, RESOURCES.namespaces, '', app)
  }

  async #applySecret(secret: Secret): Promise<void> {
    const { namespace = '', name = '' } = secret.metadata ?? {}
    await put(this.#api, RESOURCES.secrets, namespace, name, standing => {
      if (!standing) return secret
      if (isSameSecret(standing, secret)) return undefined
      return { ...secret, metadata: { ...standing.metadata, labels: { ...standing.metadata.labels, ...secret.metadata?.labels } } }
    })
  }
}

function isSameSecret(standing: Secret | undefined, wanted: Secret): boolean {
  return standing !== undefined && canonical(standing.data ?? {}) === canonical(wanted.data ?? {}) && standing.type === wanted.type
}

function versionOf(deployment: Deployment): string | undefined {
  return deployment.spec?.template.metadata?.labels?.[LABELS.version]
}
