import { chmod, link, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import ssh2 from 'ssh2'
import type { Log } from '../../kernel/log.ts'

const generate = promisify(ssh2.utils.generateKeyPair) as unknown as (
  type: string,
  options: object,
) => Promise<{ private: string; public: string }>

/** The best first, as clients choose. 3072 bits: what NIST SP 800-57 asks of RSA beyond 2030. */
const KINDS = [
  { name: 'ssh-host-ed25519-key', type: 'ed25519', options: {} },
  { name: 'ssh-host-ecdsa-key', type: 'ecdsa', options: { bits: 256 } },
  { name: 'ssh-host-rsa-key', type: 'rsa', options: { bits: 3072 } },
] as const

/**
 * Reads the server's keys, and makes once those that are missing. They never change afterwards: a changed key makes every developer's
 * ssh refuse to connect.
 *
 * @param options.create false for a folder that something else fills; at least one key must then be there
 * @returns private keys in OpenSSH's own form
 */
export async function openHostKeys(directory: string, options: { create: boolean; log: Log }): Promise<string[]> {
  if (options.create) await mkdir(directory, { recursive: true, mode: 0o700 })
  const keys = await Promise.all(KINDS.map(kind => openKey(path.join(directory, kind.name), kind, options)))
  const found = keys.filter(key => key !== undefined)
  if (found.length === 0) throw new Error(`No host key in "${directory}": put ${KINDS.map(kind => kind.name).join(' or ')} there`)
  return found
}

async function openKey(
  file: string,
  { type, options }: (typeof KINDS)[number],
  { create, log }: { create: boolean; log: Log },
): Promise<string | undefined> {
  const present = await readKey(file, create, log)
  if (present !== undefined || !create) return present
  const pair = await newHostKey(type, options)
  // A key appears whole or not at all, and the first writer wins: link() fails where a file stands already.
  const temporary = `${file}.${process.pid}.new`
  await writeFile(temporary, pair.private, { mode: 0o600 })
  try {
    await link(temporary, file)
    log.info('host key made', { type })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await rm(temporary, { force: true })
  }
  return readKey(file, create, log)
}

/** Makes a key that can be read again: of those that ssh2 makes of ed25519 one in some 160 cannot, as it cuts leading zeros. */
export async function newHostKey(type: string, options: object): Promise<{ private: string }> {
  for (;;) {
    const pair = await generate(type, options)
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error)) return pair
  }
}

async function readKey(file: string, ours: boolean, log: Log): Promise<string | undefined> {
  try {
    const key = await readFile(file, 'utf8')
    const parsed = ssh2.utils.parseKey(key)
    if (parsed instanceof Error) throw new Error(`Cannot read host key "${file}": ${parsed.message}`)
    if (ours && ((await stat(file)).mode & 0o077) !== 0) {
      log.warn('host key was readable by others, closed it', { file })
      await chmod(file, 0o600)
    }
    return key
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
