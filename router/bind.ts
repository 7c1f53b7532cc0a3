import { BoundSocket, isIP } from 'node:net'
import type { Log } from '../kernel/log.ts'

/** Reads `ROUTER_BIND`: addresses between commas. @throws {RangeError} for what is no address */
export function parseBind(text: string): readonly string[] {
  const addresses = [...new Set(text.split(',').map(item => item.trim()))]
  const bad = addresses.find(address => isIP(address) === 0)
  if (bad !== undefined) throw new RangeError(`Cannot read address "${bad}": write IP addresses, as :: or 127.0.0.1,::1`)
  return addresses
}

/**
 * The addresses of a list that this machine has. IPv6 may be switched off (many containers): then `::`, which is both families, becomes
 * `0.0.0.0`, and any other IPv6 address is left out with a line of the log.
 *
 * @param canBind asks the system; given by tests
 * @throws {Error} `EADDRNOTAVAIL` when nothing is left
 */
export function usableAddresses(wanted: readonly string[], log: Log, canBind = tryBind): readonly string[] {
  const usable: string[] = []
  let failure: unknown
  for (const address of wanted) {
    try {
      canBind(address)
      usable.push(address)
    } catch (error) {
      if (!isAbsent(error)) throw error
      failure = error
      if (address === '::') usable.push('0.0.0.0')
      log.warn('address not available, going on without it', { address, ...(address === '::' && { instead: '0.0.0.0' }) })
    }
  }
  if (usable.length === 0) throw failure
  return [...new Set(usable)]
}

function tryBind(host: string): void {
  new BoundSocket({ host }).close()
}

function isAbsent(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT'
}
