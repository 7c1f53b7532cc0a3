import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Home } from '../../embedded/home.ts'
import { type Platform, startPlatform } from '../../embedded/up.ts'
import { createLog } from '../../kernel/log.ts'

/** The whole platform on free ports and in a folder of its own, and people who use it. */
export interface PlatformUnderTest extends Platform {
  readonly folder: string
  /** Stops everything and removes the folder. */
  end(): Promise<void>
}

export async function startTestPlatform(): Promise<PlatformUnderTest> {
  // Short: the builder's sockets live below it, and their paths may have 107 bytes.
  const folder = mkdtempSync(join(tmpdir(), 'dp-'))
  const home = Home.open(join(folder, 'home'))
  const log = createLog({ role: 'supervisor', level: 'error' })
  const platform = await startPlatform({ home, log, ports: { 'http-port': 0, 'https-port': 0, 'git-port': 0, 'kube-port': 0 } })
  return {
    ...platform,
    folder,
    async end() {
      await platform.stop()
      home.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
