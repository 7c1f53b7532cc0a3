import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { delay } from '../kernel/backoff.ts'

/** A port that cannot be had; its message is one line for the person who asked for it. */
export class PortError extends Error {
  override readonly name = 'PortError'
}

/** Where the router listens; an address that the machine lacks is left out there as well. */
const LOOPBACK_ADDRESSES = ['127.0.0.1', '::1']

/**
 * Makes sure that ports of the loopback addresses can be had, before anything is started.
 *
 * @param wanted by the flag that chooses each; 0 is any free port, which who listens chooses
 * @param patienceMs how long a taken port may take to become free: what a killed copy left needs a moment to end
 * @throws {PortError} for the first that is taken
 */
export async function checkPorts(wanted: Readonly<Record<string, number>>, patienceMs = 0): Promise<void> {
  const held: Server[] = []
  try {
    for (const [flag, port] of Object.entries(wanted)) {
      if (port === 0) continue
      for (const address of LOOPBACK_ADDRESSES) {
        const server = await hold(flag, port, address, performance.now() + patienceMs)
        if (server) held.push(server)
      }
    }
  } finally {
    await Promise.all(held.map(server => new Promise(resolve => server.close(resolve))))
  }
}

/** @returns `undefined` where the machine has no such address */
async function hold(flag: string, port: number, address: string, deadline: number): Promise<Server | undefined> {
  for (;;) {
    const server = createServer()
    server.listen(port, address)
    try {
      await once(server, 'listening')
      return server
    } catch (error) {
      if (isAbsent(error as NodeJS.ErrnoException)) return undefined
      const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
      if (!isTaken || performance.now() > deadline) throw new PortError(explain(flag, port, error as NodeJS.ErrnoException))
      await delay(100)
    }
  }
}

function isAbsent({ code }: NodeJS.ErrnoException): boolean {
  return code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT'
}

function explain(flag: string, port: number, error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRINUSE') return `Port ${port} is taken: stop what listens there, or choose another with --${flag}`
  if (error.code === 'EACCES') return `Port ${port} needs more rights: choose one above 1023 with --${flag}`
  return `Cannot listen on port ${port} (--${flag}): ${error.message}`
}
