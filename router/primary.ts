import { availableParallelism } from 'node:os'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { delay } from '../kernel/backoff.ts'
import type { KubernetesApi } from '../kernel/kubernetes/api.ts'
import { type Running, Stack } from '../kernel/lifecycle.ts'
import type { Log } from '../kernel/log.ts'
import { collectGarbage } from '../kernel/memory.ts'
import { startAdminPorts } from './admin.ts'
import { usableAddresses } from './bind.ts'
import type { RouterConfig } from './config.ts'
import { ConfigAge } from './config-age.ts'
import { type Fleet, startFleet } from './fleet.ts'
import { LevelledLog } from './log-level.ts'
import { routerMetrics } from './metrics.ts'
import { stapleDelta, startStapler } from './ocsp/start.ts'
import { fitToFiles, openFilesMax } from './open-files.ts'
import { type Changes, secretChanges, TableBuilder } from './table/build.ts'
import { CertificateAudit } from './table/certificate-audit.ts'
import { secretOf } from './table/certificate-store.ts'
import { CertificateTimes } from './table/certificate-times.ts'
import { DeltaQueue } from './table/delta-queue.ts'
import { ExpiryWatch } from './table/expiry.ts'
import { FaultReporter } from './table/faults.ts'
import { tableParts } from './table/parts.ts'
import { SavedTable } from './table/saved-table.ts'
import { ClusterWatch } from './table/snapshot.ts'
import type { TableDelta } from './table/spec.ts'
import { Tidy } from './table/tidy.ts'
import { TableUpdate } from './table/update.ts'
import { TicketKeys } from './tls/ticket-keys.ts'
import { WantedNames } from './tls/wanted-names.ts'

/** How long a start waits for the API server before it serves the table of the last run. */
const SAVED_TABLE_AFTER_MS = 3000

/** How long a start waits for the OCSP responses without which clients refuse their certificates. */
const STAPLES_MS_MAX = 3000

/** The router, and what its process tells it. */
export interface RunningRouter extends Running {
  /** Puts new processes in the place of the workers, without a refused connection (SIGHUP). */
  replaceWorkers(): Promise<void>
}

/**
 * The router as a whole: it watches the cluster, builds the table and hands each change to the workers.
 *
 * It listens when there is a first table: of the cluster as a whole, or, where the API server does not answer and one was kept, that of the
 * last run. From then on it serves whatever becomes of the API server.
 *
 * @param signal gives up a start that still waits for a table
 * @throws {Error} when a port cannot be had
 */
export async function startRouter(config: RouterConfig, api: KubernetesApi, baseLog: Log, signal: AbortSignal): Promise<RunningRouter> {
  const log = new LevelledLog(baseLog)
  const stack = new Stack(log)
  let fleet: Fleet | undefined
  let isDraining = false
  try {
    const saved = config.state ? stack.add('saved table', new SavedTable(config.state, log, config.stateKey)) : undefined
    const lastTable = await saved?.read()
    const family = config.family === 'drycc' ? 'router.drycc.cc/' : 'router.deis.io/'
    const { namespace, oldCertificateKeys } = config
    const staplingFault = (secret: string): string | undefined => stapler.faultOf(secret)
    const builder = new TableBuilder({ family, namespace, oldCertificateKeys, staplingFault, version: lastTable?.version ?? 0 })

    let isRead = false
    let tidy: Tidy | undefined
    const queue = stack.add('changes of the table', new DeltaQueue())
    const onChanges = (changes: Changes) => {
      const delta = update.take(changes)
      tidy?.note(changes)
      // Before it, workers have none of this builder's table.
      if (!delta || !isRead) return
      queue.add(delta)
      stapler.take(delta.certificates)
      times.take(delta.certificates)
    }
    const onMoment = (certificates: readonly string[]) => onChanges(secretChanges(certificates.map(secretOf)))
    const times = stack.add('times of certificates', new CertificateTimes(onMoment))
    const stapler = stack.add(
      'OCSP',
      startStapler(config, {
        log,
        onStaples: staples => queue.add(stapleDelta(builder.version, staples)),
        onFault: key => void (isRead && onChanges(secretChanges([secretOf(key)]))),
      }),
    )
    const watch = stack.add('cluster watch', new ClusterWatch(api, { family, namespace, log, onChanges }))
    const reporter = stack.add(
      'fault reporter',
      new FaultReporter(api, log, (kind, key) => (kind === 'Secret' ? watch.secret(key)?.metadata?.uid : watch.service(key)?.metadata.uid)),
    )
    const update = new TableUpdate({ builder, watch, reporter, log, saved })

    const uid = (secret: string) => watch.secret(secret)?.metadata?.uid
    const expiry = stack.add('expiry of certificates', new ExpiryWatch(api, { log, uid, certificates: () => builder.certificates() }))
    const onKey = (ticketKeys: Uint8Array) => fleet?.takeTlsSecrets({ ticketKeys })
    const tickets = stack.add('session tickets', new TicketKeys(api, { namespace, rotationMs: config.ticketRotationMs, log, onKey }))

    const wanted = stack.add('names on demand', new WantedNames(api, { namespace, log, onDenied: names => fleet?.deny(names) }))

    const metrics = routerMetrics({
      ...{ builder, fleet: () => fleet, configAgeSeconds: () => watch.ageMs() / 1000, apps: config.metricsApps },
      ocsp: () => stapler.counts(),
    })
    // A folder is there or the process is not; only a server can be away.
    const age = config.manifests ? undefined : stack.add('age of the configuration', new ConfigAge(() => watch.ageMs(), log))
    const ready = () => {
      if (isDraining) return ['draining']
      if (!fleet) return ['waiting for the first complete reading of the cluster']
      return fleet.serving > 0 ? [] : ['no worker serves']
    }
    const addresses = usableAddresses(config.bind, log)
    const admin = stack.add(
      'admin ports',
      await startAdminPorts({
        ...config,
        bind: addresses[0]!,
        log,
        metrics,
        builder,
        fleet: () => fleet,
        ready,
        notes: () => age?.notes() ?? [],
      }),
    )

    const read = firstTable(watch, builder, update)
    void read.then(({ certificates }) => {
      update.keep()
      isRead = true
      stapler.take(certificates, true)
      times.take(certificates)
      expiry.look()
    })
    const table = await chooseFirst(read, lastTable, log, signal)
    if (table === lastTable && !isRead) stapler.take(table.certificates)
    const workers = config.workers === 'auto' ? (builder.router.workerCount ?? availableParallelism()) : config.workers
    // Of the lists; one process serves from here on, and must not stop for it later.
    if (workers === 1) await collectGarbage()
    await stapler.answered(STAPLES_MS_MAX)
    const { limits, shortage } = fitToFiles(config.limits, openFilesMax())
    const started = await startFleet({
      listen: {
        bind: addresses,
        httpPort: config.httpPort,
        httpsPort: config.httpsPort,
        gitPort: config.gitPort,
        publicHttpsPort: config.publicHttpsPort,
        listeners: config.listeners,
      },
      workers,
      tls: { ticketKeys: tickets.current },
      limits,
      accessLog: config.accessLog,
      appLatency: config.metricsAppLatency,
      requestsKept: config.requestsKept,
      ...(config.accessLogFile && { accessLogFile: config.accessLogFile }),
      log,
      onWanted: name => wanted.add(name),
      whole: () => ({ ...(isRead ? builder.whole() : table), staples: stapler.all() }),
    })
    stack.add('workers', started)
    if (shortage) log.warn('fewer connections than wanted, as open files are limited: raise the limit of the process (ulimit -n)', shortage)
    fleet = started
    // One that came while they started.
    onKey(tickets.current)
    // Of the lists, and of the tables that were sent to the workers.
    if (workers > 1) {
      await collectGarbage()
      tidy = stack.add('memory', new Tidy())
    }
    const onReopen = () => started.reopenLogs()
    process.on('SIGUSR1', onReopen)
    stack.add('log rotation', { stop: () => void process.off('SIGUSR1', onReopen) })
    const onRefuted = (secrets: readonly string[]) => onChanges(secretChanges(secrets))
    const audit = stack.add('audit of certificates', new CertificateAudit({ certificates: () => builder.certificates(), onRefuted }))
    void read.then(() => audit.start())
    // What the cluster said while the workers came up.
    queue.open(delta => started.apply(delta))
    // All of it where they began with the table of the last run.
    if (table === lastTable) void read.then(() => queue.add(...tableParts(builder.whole(), table)))

    return {
      get ports() {
        return { ...started.ports, health: admin.health, admin: admin.admin }
      },
      replaceWorkers: () => started.replace(config.drainTimeoutMs),
      async stop() {
        isDraining = true
        await delay(config.drainDelayMs)
        await started.drain(config.drainTimeoutMs)
        await stack.stop()
      },
    }
  } catch (error) {
    await stack.stop()
    throw error
  }
}

/** The table of the cluster as a whole, certificates included. */
async function firstTable(watch: ClusterWatch, builder: TableBuilder, update: TableUpdate): Promise<TableDelta> {
  await watch.synced
  await takeAll(watch, update)
  await watch.want(builder.wantedSecrets())
  await takeAll(watch, update)
  return builder.whole()
}

/** In parts, as this process may serve meanwhile, by the table of the last run. */
async function takeAll(watch: ClusterWatch, update: TableUpdate): Promise<void> {
  for (;;) {
    const changes = watch.takeChanges()
    update.take(changes)
    if (!changes.isPart) return
    await nextTurn()
  }
}

async function chooseFirst(read: Promise<TableDelta>, last: TableDelta | undefined, log: Log, signal: AbortSignal): Promise<TableDelta> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('Stopped before the first table')), { once: true })
  })
  if (!last) return Promise.race([read, aborted])
  const late = new AbortController()
  const first = await Promise.race([read, aborted, delay(SAVED_TABLE_AFTER_MS, late.signal)])
  late.abort()
  if (first) return first
  log.warn('API server does not answer, serving the table of the last run', { tableVersion: last.version, routes: last.routes.length })
  return last
}
