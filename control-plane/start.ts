import { httpClient } from '../kernel/http.ts'
import type { KubernetesApi } from '../kernel/kubernetes/api.ts'
import { startReconciler } from '../kernel/kubernetes/reconciler.ts'
import { type Running, Stack } from '../kernel/lifecycle.ts'
import type { Log } from '../kernel/log.ts'
import { createMetrics, type Metrics } from '../kernel/metrics.ts'
import { guardedLookup, isPublicAddress } from '../kernel/public-address.ts'
import { AskHooks } from './acme/ask.ts'
import { Authorities, authoritiesFor, operatorsAuthorities } from './acme/authorities.ts'
import { Caa } from './acme/caa.ts'
import { Issuer, type IssuerTimes } from './acme/issuer.ts'
import { OnDemand } from './acme/on-demand.ts'
import { Reach } from './acme/reach.ts'
import { appRoutes } from './api/app-routes.ts'
import { authRoutes } from './api/auth-routes.ts'
import { Authentication } from './api/authentication.ts'
import { certificateRoutes } from './api/certificate-routes.ts'
import { domainRoutes } from './api/domain-routes.ts'
import { healthRoutes } from './api/health-routes.ts'
import { hookRoutes } from './api/hook-routes.ts'
import { keyRoutes } from './api/key-routes.ts'
import { logRoutes } from './api/log-routes.ts'
import { pageRoutes } from './api/page-routes.ts'
import { permsRoutes } from './api/perms-routes.ts'
import { processRoutes } from './api/process-routes.ts'
import { Releasing, releaseRoutes } from './api/release-routes.ts'
import { Routes } from './api/routes.ts'
import { serviceRoutes } from './api/service-routes.ts'
import { settingsRoutes } from './api/settings-routes.ts'
import { Throttle } from './api/throttle.ts'
import { tlsRoutes } from './api/tls-routes.ts'
import { trafficRoutes } from './api/traffic-routes.ts'
import { userRoutes } from './api/user-routes.ts'
import type { ControlPlaneConfig } from './config.ts'
import { AppLocks } from './deploy/app-locks.ts'
import { Cluster } from './deploy/cluster.ts'
import { completeApp, createApp } from './deploy/create-app.ts'
import { DeployHooks } from './deploy/deploy-hooks.ts'
import { Deployer } from './deploy/deployer.ts'
import { destroyApp } from './deploy/destroy.ts'
import { ExpiryWatch } from './deploy/expiry-watch.ts'
import { PageFetcher } from './deploy/fetch-page.ts'
import { forgetApp } from './deploy/forget-app.ts'
import { lastLines } from './deploy/last-lines.ts'
import { Pages } from './deploy/pages.ts'
import { Processes } from './deploy/processes.ts'
import { restartProcesses } from './deploy/restart.ts'
import { RouterProbe } from './deploy/router-probe.ts'
import { Routing } from './deploy/routing.ts'
import { runCommand } from './deploy/run-pod.ts'
import { sweepRuns } from './deploy/sweep-runs.ts'
import { Workloads } from './deploy/workloads.ts'
import { controlPlaneMetrics } from './metrics.ts'
import { PlatformLog } from './platform-log.ts'
import { openRecords } from './records.ts'
import { RouterPages } from './router-pages.ts'
import { buildServer, closeServer } from './server.ts'

export interface ControlPlaneOptions {
  readonly api: KubernetesApi
  readonly config: ControlPlaneConfig
  readonly log: Log
  /** Where to count; a registry of its own by default. */
  readonly metrics?: Metrics
  /** Ends the wait for Kubernetes. */
  readonly signal?: AbortSignal
  /** How patient the issuer of certificates is; tests are less. */
  readonly acmeTimes?: Partial<IssuerTimes>
}

export interface RunningControlPlane extends Running {
  /** The port of the API. */
  readonly port: number
  /** Why it may not be given work; empty when it may. */
  ready(): readonly string[]
}

const LOG_RECHECK_MS = 60_000
const REPAIR_DELAY_MS = 500
// While Kubernetes has not been heard of for longer, what is shown may be stale and no change would be made.
const SILENCE_MAX_MS = 120_000

/**
 * Starts the control plane: its records, its view of what runs, and its API. Returns when requests are answered; every app is then
 * reconciled in the background, so that whatever an earlier process left half done is finished.
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<RunningControlPlane> {
  const { api, config, log, metrics: registry, signal } = options
  const stack = new Stack(log)
  try {
    const logger = httpClient({ baseUrl: config.loggerUrl, connectTimeoutMs: 2_000 })
    stack.add('logger client', { stop: () => logger.close() })
    const platformLog = stack.add('platform log', new PlatformLog(logger, log))
    const records = stack.add('records', await openRecords(api, { ...config, log, ...(signal ? { signal } : {}) }))
    const metrics = controlPlaneMetrics(registry ?? createMetrics('control-plane'), {
      apps: () => records.apps.count,
      users: () => records.users.count,
    })
    // Until every app has been looked at there is nothing to repair one by one.
    let repair = (_: string) => {}
    const workloads = stack.add('workloads', new Workloads(api, log, id => repair(id)))
    await workloads.synced

    const outside = httpClient({ connectTimeoutMs: 5_000 })
    stack.add('outside client', { stop: () => outside.close() })
    const hooks = new DeployHooks(config.deployHookUrls, config.deployHookSecret, outside, log)
    const fetcher = stack.add('page fetcher', new PageFetcher(config.pageNetworks))
    const pages = new Pages(api, records, fetcher.fetch.bind(fetcher), log)
    const cluster = new Cluster(api)
    const { deployTimeoutMs: batchTimeoutMs, stopDelayMs } = config
    const { routerUrl, platformDomain } = config
    const probe = routerUrl ? stack.add('router probe', new RouterProbe(routerUrl, platformDomain, log)) : undefined
    const locks = new AppLocks()
    const onDemandMode = {
      isOn: config.acmeOnDemand && config.acmeDomains !== 'off',
      ...(config.acmeAskUrl !== undefined && { askUrl: config.acmeAskUrl }),
      ...(config.acmeOnDemandApp !== undefined && { anyNameApp: config.acmeOnDemandApp }),
    }
    const routing = new Routing(records, cluster, onDemandMode)
    const deployer = new Deployer({
      records,
      cluster,
      processes: new Processes(cluster, workloads, { batchTimeoutMs, stopDelayMs }),
      routing,
      locks,
      platformLog,
      log,
      lastLines: (app, pod) => lastLines(api, app, pod),
      onUnfinished: id => repair(id),
      onRelease: release => {
        hooks.announce(release)
        pages.refresh(release.app)
      },
      onRollout: (outcome, seconds) => metrics.rollouts.observe({ outcome }, seconds),
      ...(probe ? { awaitRoute: probe.awaitRoute.bind(probe) } : {}),
    })
    const stopping = new AbortController()
    const syncRouting = (app: string) => routing.sync(app)
    const destroy = (id: string) =>
      destroyApp(id, { records, cluster, workloads, platformLog, locks, log, timeoutMs: config.destroyTimeoutMs })

    const server = buildServer({ log, metrics })
    const routes = new Routes(server, {
      records,
      builderKey: config.builderKey,
      ports: { http: config.publicHttpPort, https: config.publicHttpsPort },
      log,
    })
    const authentication = new Authentication(records, new Throttle(config.loginFailureCountMax))
    const releasing = new Releasing({ records, deployer, cluster, platformLog, imagePrefix: config.imagePrefix })
    const ready = () =>
      records.ageMs() > SILENCE_MAX_MS ? [`Kubernetes has not been heard of for ${Math.round(records.ageMs() / 1000)} s`] : []

    healthRoutes(server, ready)
    authRoutes(routes, { records, authentication, registration: config.registration })
    userRoutes(routes, records)
    keyRoutes(routes, records)
    appRoutes(routes, {
      records,
      platformLog,
      reservedNames: config.reservedNames,
      createApp: (id, owner) => createApp(id, owner, { records, cluster, platformLog, syncRouting }),
      destroyApp: destroy,
    })
    releaseRoutes(routes, releasing, records)
    processRoutes(routes, {
      records,
      deployer,
      workloads,
      platformLog,
      restart: (app, release, scope) =>
        restartProcesses(app, release, scope, { cluster, workloads, batchTimeoutMs, signal: stopping.signal }),
      run: (release, command, onStart) =>
        runCommand(release, command, { api, cluster, workloads, signal: stopping.signal, timeoutMs: config.runTimeoutMs, onStart }),
    })
    domainRoutes(routes, { records, deployer, platformLog, platformDomain, reservedNames: config.reservedNames, mode: config.acmeDomains })
    certificateRoutes(routes, { records, deployer })
    serviceRoutes(routes, { records, deployer, platformLog })
    pageRoutes(routes, { pages, deployer, platformLog })
    settingsRoutes(routes, { records, deployer, platformLog })
    tlsRoutes(routes, {
      ...{ records, deployer, platformLog, platformDomain, mode: config.acmeDomains, directories: config.acmeDirectories },
      onDemand: onDemandMode,
    })
    permsRoutes(routes, { records, platformLog })
    const routerPages = config.routerAdminUrl ? stack.add('router pages', new RouterPages(config.routerAdminUrl, log)) : undefined
    trafficRoutes(routes, { records, router: routerPages, platformDomain })
    logRoutes(routes, { records, logger, log, recheckMs: LOG_RECHECK_MS })
    hookRoutes(routes, { records, authentication, releasing, urlsOf: app => urlsOf(app) })

    const reconciler = stack.add(
      'reconciler',
      startReconciler({
        name: 'apps',
        log,
        async reconcile(id) {
          const app = records.apps.get(id)
          if (!app) return forgetApp(id, { records, platformLog })
          if (app.deleting) return destroy(id)
          if (records.releases.list(id).length === 0) await completeApp(app, { records, cluster, syncRouting })
          await deployer.reconcile(id)
          await sweepRuns(id, { cluster, workloads, timeoutMs: config.runTimeoutMs })
        },
      }),
    )
    const { acmeChain: chain, acmeResolvers: resolvers, acmeHttpPort, acmeHttpsPort, acmeCa: ca } = config
    const foreignLookup = guardedLookup(isPublicAddress)
    const authorities = new Authorities({ accounts: records.acmeAccounts, foreignLookup, ...(ca !== undefined && { ca }) })
    stack.add('certificate authorities', authorities)
    const ownerOrdersMax = config.acmeOwnerOrdersMax
    const url = config.acmeAskUrl
    const askHooks = stack.add('hooks for names', new AskHooks({ api, platformDomain, foreignLookup, ...(url !== undefined && { url }) }))
    const onDemand = new OnDemand({
      ...{ api, records, platformLog, log, namespace: config.namespace, platformDomain, mode: onDemandMode, ownerOrdersMax },
      hooks: askHooks,
      syncRouting,
    })
    stack.add('names on demand', onDemand)
    const operators = operatorsAuthorities(config)
    const address = await server.listen({ port: config.port, host: config.host })
    stack.add('server', { stop: () => closeServer(server) })
    // Told first, so that requests that wait for a rollout are answered before the server closes.
    stack.add('routing', routing)
    stack.add('rollouts', locks)
    stack.add('commands', { stop: () => stopping.abort() })
    stack.add('expiry watch', new ExpiryWatch({ api, records, platformLog, log }))
    stack.add(
      'issuer',
      new Issuer({
        ...{ api, records, routing, platformLog, log, authorities, platformDomain, namespace: config.namespace },
        ...{
          mode: config.acmeDomains,
          challenge: config.acmeChallenge,
          authoritiesOf: app => authoritiesFor(records.issuers.get(app), operators),
        },
        caa: new Caa(resolvers),
        ownerOrdersMax,
        mayKeep: onDemand.mayKeep.bind(onDemand),
        reach: config.acmePrecheck ? new Reach({ httpPort: acmeHttpPort, httpsPort: acmeHttpsPort, resolvers }) : undefined,
        ...(chain !== undefined && { chain }),
        ...(options.acmeTimes && { times: options.acmeTimes }),
      }),
    )
    for (const { id } of records.apps.list()) reconciler.enqueue(id)
    for (const { app } of records.domains.all()) if (!records.apps.get(app)) reconciler.enqueue(app)
    // In a moment, since whoever removes one object of an app often goes on to the next.
    repair = id => reconciler.enqueueAfter(id, REPAIR_DELAY_MS)

    const port = Number(new URL(address).port)
    return { port, ports: { http: port }, ready, stop: () => stack.stop() }

    function urlsOf(id: string): string[] {
      const domains = records.domains.list(id).filter(({ domain }) => !domain.startsWith('*'))
      const isEnforced = records.apps.get(id)?.tls.https_enforced === true
      return domains.map(({ domain }) => {
        const url = new URL(`http://${domain.includes('.') ? domain : `${domain}.${config.platformDomain}`}`)
        if (isEnforced) url.protocol = 'https:'
        url.port = String(isEnforced ? config.publicHttpsPort : config.publicHttpPort)
        return url.href
      })
    }
  } catch (error) {
    await stack.stop()
    throw error
  }
}
