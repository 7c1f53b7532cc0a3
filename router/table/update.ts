import type { LevelledLog } from '../log-level.ts'
import type { Fault } from './annotations.ts'
import type { Changes, TableBuilder } from './build.ts'
import type { FaultReporter } from './faults.ts'
import type { SavedTable } from './saved-table.ts'
import type { ClusterWatch } from './snapshot.ts'
import type { TableDelta } from './spec.ts'

interface UpdateOptions {
  readonly builder: TableBuilder
  readonly watch: ClusterWatch
  readonly reporter: FaultReporter
  readonly log: LevelledLog
  readonly saved: SavedTable | undefined
}

/** Brings the table up to what the cluster says, and tells everybody whom that concerns. */
export class TableUpdate {
  readonly #options: UpdateOptions
  /** What the parts so far have found; only the last part shows which of the faults are none. */
  readonly #faults = new Map<string, readonly Fault[]>()
  #areSecretsOthers = false
  #isKept = false

  constructor(options: UpdateOptions) {
    this.#options = options
  }

  /** @returns what the workers have to take; absent: nothing */
  take(changes: Changes): TableDelta | undefined {
    const { builder, watch, reporter, log, saved } = this.#options
    const { delta, faults, areSecretsOthers, arePagesOthers } = builder.build(watch, changes)
    for (const [service, list] of faults) this.#faults.set(service, list)
    if (areSecretsOthers || changes.secrets.size > 0) this.#areSecretsOthers = true
    if (changes.router) log.limit(builder.router.settings.logLevel)
    if (arePagesOthers) watch.wantPages(builder.wantedPages())
    if (changes.router || changes.services.size > 0) reporter.reportIgnored(builder.ignored(changes))
    if (delta && this.#isKept) saved?.save(() => builder.whole(), delta)
    if (!changes.isPart) this.#finish()
    return delta
  }

  /**
   * The table is the cluster's as a whole: from here on it is kept for the next start. The first time at once, as much else starts then; before,
   * the parts of a first reading would take the place of a whole table.
   */
  keep(): void {
    const { builder, saved } = this.#options
    this.#isKept = true
    saved?.write(() => builder.whole())
  }

  #finish(): void {
    const { builder, watch, reporter } = this.#options
    if (this.#areSecretsOthers) void watch.want(builder.wantedSecrets())
    this.#areSecretsOthers = false
    for (const [service, list] of this.#faults) reporter.report(service, list)
    this.#faults.clear()
  }
}
