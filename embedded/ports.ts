import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { delay } from '../kernel/backoff.ts'

/** A port that cannot be had; its message is one line for the person who asked for it. */
export class PortError extends Error {
  override readonly name = 'PortError'
}

/**
 * Settles which ports of the loopback address to use.
 *
 * @param wanted by the flag that chooses each; 0 takes any free port
 * @param patienceMs how long a taken port may take to become free: what a killed copy left needs a moment to end
 * @throws {PortError} for the first that is taken
 */
export async function settlePorts<K extends string>(wanted: Readonly<Record<K, number>>, patienceMs = 0): Promise<Record<K, number>> {
  const held: Server[] = []
  const settled: Partial<Record<K, number>> = {}
  try {
    for (const [flag, port] of Object.entries(wanted) as [K, number][]) {
      const server = await hold(flag, port, performance.now() + patienceMs)
      held.push(server)
      settled[flag] = (server.address() as AddressInfo).port
    }
  } finally {
    // Held until all are settled, so that no two get the same.
    await Promise.all(held.map(server => new Promise(resolve => server.close(resolve))))
  }
  return settled as Record<K, number>
}

async function hold(flag: string, port: number, deadline: number): Promise<Server> {
  for (;;) {
    const server = createServer()
    server.listen(port, '127.0.0.1')
    try {
      await once(server, 'listening')
      return server
    } catch (error) {
      const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
      if (!isTaken || performance.now() > deadline) throw new PortError(explain(flag, port, error as NodeJS.ErrnoException))
      await delay(100)
    }
  }
}

function explain(flag: string, port: number, error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRINUSE') return `Port ${port} is taken: stop what listens there, or choose another with --${flag}`
  if (error.code === 'EACCES') return `Port ${port} needs more rights: choose one above 1023 with --${flag}`
  return `Cannot listen on port ${port} (--${flag}): ${error.message}`
}
