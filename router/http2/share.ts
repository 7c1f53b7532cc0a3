/** Something with bytes that wait for its connection. */
export interface Queued {
  readonly hasQueue: boolean
  /** Sends of what waits, so many bytes at the most and as far as the windows let it. Returns whether something was sent. */
  pump(bytesMax: number): boolean
}

/** The bytes of one turn, so that streams which wait for the same connection get equal shares of it. */
const SHARE_BYTES = 16 * 1024

/** Sends of what all have queued, each a share in turn, until their windows or the connection are full. */
export function pumpInTurn(waiting: Iterable<Queued>, isBlocked: () => boolean): void {
  let progress = true
  while (progress && !isBlocked()) {
    progress = false
    for (const queued of waiting) {
      if (queued.hasQueue && queued.pump(SHARE_BYTES)) progress = true
      if (isBlocked()) break
    }
  }
}
