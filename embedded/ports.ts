import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { delay } from '../kernel/backoff.ts'

/** A port that cannot be had; its message is one line for the person who asked for it. */
export class PortError extends Error {
  override readonly name = 'PortError'
}

/**
 * Makes sure that ports of the loopback address can be had, before anything is started.
 *
 * @param wanted by the flag that chooses each; 0 is any free port, which who listens chooses
 * @param patienceMs how long a taken port may take to become free: what a killed copy left needs a moment to end
 * @throws {PortError} for the first that is taken
 */
export async function checkPorts(wanted: Readonly<Record<string, number>>, patienceMs = 0): Promise<void> {
  const held: Server[] = []
  try {
    for (const [flag, port] of Object.entries(wanted)) {
      if (port !== 0) held.push(await hold(flag, port, performance.now() + patienceMs))
    }
  } finally {
    await Promise.all(held.map(server => new Promise(resolve => server.close(resolve))))
  }
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
