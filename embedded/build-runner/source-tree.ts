import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { BuildFailure } from './failure.ts'

/** The text files that say what an app is are short; a longer one is not read. */
const TEXT_BYTES_MAX = 4 * 1024 ** 2

/** The pushed tree, as detection looks at it. Paths are relative to its root. */
export class SourceTree {
  readonly root: string

  constructor(root: string) {
    this.root = root
  }

  path(name: string): string {
    return path.join(this.root, name)
  }

  has(name: string): boolean {
    return existsSync(this.path(name))
  }

  /** The first of these files that is there. */
  first(...names: string[]): string | undefined {
    return names.find(name => this.has(name))
  }

  /** The content of a file, or `undefined` where there is none. */
  read(name: string): string | undefined {
    const found = statSync(this.path(name), { throwIfNoEntry: false })
    return found?.isFile() && found.size <= TEXT_BYTES_MAX ? readFileSync(this.path(name), 'utf8') : undefined
  }

  /** The value in a JSON file, `{}` where there is none. @throws {BuildFailure} for a file that is no JSON object */
  readJson(name: string): Record<string, unknown> {
    const text = this.read(name)
    if (text === undefined) return {}
    try {
      const value: unknown = JSON.parse(text.replace(/^\ufeff/, ''))
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
    } catch (error) {
      throw new BuildFailure(`Cannot read ${name}: ${(error as Error).message}`, 'mend the file and push again')
    }
    throw new BuildFailure(`Cannot read ${name}: it holds no JSON object`, 'mend the file and push again')
  }

  /** Names in a folder, none where there is no such folder. */
  list(folder = ''): string[] {
    try {
      return readdirSync(this.path(folder))
    } catch {
      return []
    }
  }
}
