import { BoundSocket } from 'node:net'
import type { Log } from '../kernel/log.ts'
import type { Listen } from './worker.ts'

export type PortName = 'http' | 'https' | 'git'

/** A socket that was bound for a worker: in this process, or as a descriptor that the worker inherits. */
export interface Held {
  readonly name: PortName
  readonly socket: BoundSocket
}

/** How often a free port of one address is taken at another before the start gives up. */
const TRIES = 10

/**
 * The sockets of all workers, bound once and kept open by the process that watches, so that no listener closes while a worker is
 * replaced: closing one resets what waits in its queue. This process never listens or accepts; a worker that ends leaves its queue to
 * the one that follows.
 *
 * Each slot has sockets of its own where the system has SO_REUSEPORT, and the kernel spreads connections over them; elsewhere, and where
 * it is asked for, all slots accept from the same ones.
 */
export class HeldSockets {
  readonly isShared: boolean
  readonly #listen: Listen
  readonly #shared: readonly Held[]
  readonly #bySlot = new Map<number, readonly Held[]>()

  /** @param slotCount how many workers there will be; 1 has no use for SO_REUSEPORT @throws {Error} `EADDRINUSE` and the like */
  constructor(wanted: Listen, slotCount: number, log: Log) {
    // Alone, first: with SO_REUSEPORT a second router of the same user would share the first one's ports without a word.
    const alone = bindAll(wanted, log)
    this.#listen = { ...wanted, ...portsOf(alone) }
    this.isShared = slotCount === 1 || wanted.listeners === 'shared' || !canReusePort()
    this.#shared = this.isShared ? alone : []
    if (this.isShared) return
    closeAll(alone)
    for (let slot = 1; slot <= slotCount; slot++) this.of(slot)
  }

  /** The sockets of a slot, bound anew where they were dropped. @throws {Error} when that fails */
  of(slot: number): readonly Held[] {
    if (this.isShared) return this.#shared
    const known = this.#bySlot.get(slot)
    if (known) return known
    const { http, https, git } = portsToBind(this.#listen)
    const bound = this.#listen.bind.flatMap(host =>
      Object.entries({ http, https, ...(git && { git }) }).map(([name, port]) => ({
        name: name as PortName,
        socket: new BoundSocket({ host, port, reusePort: true }),
      })),
    )
    this.#bySlot.set(slot, bound)
    return bound
  }

  /** Gives a slot's share of new connections to the others, until its sockets are asked for again; what waited there is reset. */
  drop(slot: number): void {
    closeAll(this.#bySlot.get(slot) ?? [])
    this.#bySlot.delete(slot)
  }

  /** Lets go of all: the ports close with the last worker that listens there. */
  stop(): void {
    closeAll(this.#shared)
    for (const slot of [...this.#bySlot.keys()]) this.drop(slot)
  }
}

function portsToBind({ httpPort: http, httpsPort: https, gitPort: git }: Listen) {
  return { http, https, git }
}

function portsOf(bound: readonly Held[]) {
  const port = (name: PortName) => bound.find(held => held.name === name)?.socket.address().port
  return { httpPort: port('http')!, httpsPort: port('https')!, gitPort: port('git') ?? 0 }
}

/** Binds each port at every address. Git's is no reason to fail: it serves nobody before there is a builder. */
function bindAll(listen: Listen, log: Log): readonly Held[] {
  const bound: Held[] = []
  for (const [name, port] of Object.entries(portsToBind(listen)) as [PortName, number][]) {
    try {
      bound.push(...bindPort(name, port, listen.bind))
    } catch (error) {
      if (name === 'git') log.error('git port cannot be opened', { port, error: (error as Error).message })
      else {
        closeAll(bound)
        throw error
      }
    }
  }
  return bound
}

/** Port 0 is one that is free at all addresses. */
function bindPort(name: PortName, wanted: number, addresses: readonly string[]): Held[] {
  for (let tries = 1; ; tries++) {
    const bound: Held[] = []
    try {
      for (const host of addresses) {
        const port = wanted || (bound[0]?.socket.address().port ?? 0)
        bound.push({ name, socket: new BoundSocket({ host, port }) })
      }
      return bound
    } catch (error) {
      closeAll(bound)
      if (wanted !== 0 || bound.length === 0 || tries === TRIES) throw error
    }
  }
}

function canReusePort(): boolean {
  try {
    new BoundSocket({ host: '127.0.0.1', reusePort: true }).close()
    return true
  } catch {
    return false
  }
}

function closeAll(bound: readonly Held[]): void {
  // A server that listens on one has taken it over.
  for (const { socket } of bound) socket[Symbol.dispose]()
}
