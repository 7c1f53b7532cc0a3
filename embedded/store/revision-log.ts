import { DatabaseSync } from 'node:sqlite'

/** One state of one object as it stands on disk. */
export interface RevisionRow {
  readonly version: number
  readonly resource: string
  readonly key: string
  readonly deleted: boolean
  readonly json: string
}

/** The file behind the store: rows are only ever added, and forgotten when history is cut. */
export interface RevisionLog {
  /** Versions up to this one are no longer complete: what they replaced is gone. */
  readonly floor: number
  /** All rows, oldest first. */
  rows(): Iterable<RevisionRow>
  /** Adds a row to the open transaction, opening one where none is. */
  append(row: RevisionRow): void
  commit(): void
  rollback(): void
  /** Drops rows by version and moves the floor. */
  forget(versions: readonly number[], floor: number): void
  close(): void
}

/**
 * Opens the log. The newest row of a key is its live state, so one insert a write is all; a delete leaves a row until history is cut.
 *
 * @param path a file, or `:memory:`
 * @throws when the file is no such log, or another process has it open for writing
 */
export function openRevisionLog(path: string): RevisionLog {
  const database = open(path)
  try {
    prepare(database)
  } catch (cause) {
    database.close()
    const isLocked = (cause as { errcode?: number }).errcode === SQLITE_BUSY
    throw new Error(isLocked ? `Another process uses ${path}: stop it, or choose another folder` : `Cannot use ${path}`, { cause })
  }
  const insert = database.prepare('INSERT INTO revisions (version, resource, key, deleted, json) VALUES (?, ?, ?, ?, ?)')
  const drop = database.prepare('DELETE FROM revisions WHERE version = ?')
  const setFloor = database.prepare("UPDATE facts SET value = ? WHERE name = 'floor'")
  const floor = Number(database.prepare("SELECT value FROM facts WHERE name = 'floor'").get()?.['value'] ?? 0)

  const begin = () => {
    if (!database.isTransaction) database.exec('BEGIN')
  }
  return {
    floor,
    *rows() {
      for (const row of database.prepare('SELECT version, resource, key, deleted, json FROM revisions ORDER BY version').iterate()) {
        yield {
          version: Number(row['version']),
          resource: String(row['resource']),
          key: String(row['key']),
          deleted: row['deleted'] === 1,
          json: String(row['json']),
        }
      }
    },
    append(row) {
      begin()
      insert.run(row.version, row.resource, row.key, row.deleted ? 1 : 0, row.json)
    },
    commit() {
      if (database.isTransaction) database.exec('COMMIT')
    },
    rollback() {
      if (database.isTransaction) database.exec('ROLLBACK')
    },
    forget(versions, newFloor) {
      // An open transaction belongs to writes that wait for it: this joins it and leaves the commit to them.
      const own = !database.isTransaction
      begin()
      for (const version of versions) drop.run(version)
      setFloor.run(newFloor)
      if (own) database.exec('COMMIT')
    },
    close() {
      if (database.isTransaction) database.exec('COMMIT')
      database.close()
    },
  }
}

/** What sqlite.org/rescode.html calls SQLITE_BUSY. */
const SQLITE_BUSY = 5

function open(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path)
  } catch (cause) {
    throw new Error(`Cannot open ${path}`, { cause })
  }
}

function prepare(database: DatabaseSync): void {
  // WAL with synchronous=NORMAL: a commit is one write(2), about 20 µs. A killed process loses nothing; a machine that
  // loses power may lose the last moments, never the file's integrity (sqlite.org/pragma.html#pragma_synchronous).
  database.exec(`
    PRAGMA busy_timeout = 2000;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA user_version;
    CREATE TABLE IF NOT EXISTS revisions (version INTEGER PRIMARY KEY, resource TEXT NOT NULL, key TEXT NOT NULL, deleted INTEGER NOT NULL, json TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
    BEGIN IMMEDIATE;
    INSERT INTO facts VALUES ('floor', 0) ON CONFLICT DO NOTHING;
    COMMIT;
  `)
}
