import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { silentLog } from '../../kernel/log.ts'
import { LevelledLog } from '../log-level.ts'
import type { Changes, TableBuilder } from './build.ts'
import type { FaultReporter } from './faults.ts'
import type { SavedTable } from './saved-table.ts'
import type { ClusterWatch } from './snapshot.ts'
import type { TableDelta } from './spec.ts'
import { TableUpdate } from './update.ts'

suite('TableUpdate', () => {
  test('keeps no part of a first reading, then the whole, then what changes', () => {
    const kept: string[] = []
    let version = 0
    const delta = (whole: boolean): TableDelta => ({ version, whole, routes: [], hosts: [], certificates: [] })
    const builder = {
      build: () => ({ delta: { ...delta(false), version: ++version }, faults: [], areSecretsOthers: false }),
      whole: () => delta(true),
    }
    const saved = {
      save: (_: () => TableDelta, change?: TableDelta) => kept.push(`change ${change?.version}`),
      write: (whole: () => TableDelta) => kept.push(`whole ${whole().version}`),
    }
    const update = new TableUpdate({
      builder: builder as unknown as TableBuilder,
      watch: {} as ClusterWatch,
      reporter: {} as FaultReporter,
      log: new LevelledLog(silentLog),
      saved: saved as unknown as SavedTable,
    })
    const part: Changes = { services: new Set(), slices: new Set(), secrets: new Set(), router: false, builder: false }
    update.take({ ...part, isPart: true })
    update.take(part)
    assert.deepEqual(kept, [])
    update.keep()
    update.take(part)
    assert.deepEqual(kept, ['whole 2', 'change 3'])
  })
})
