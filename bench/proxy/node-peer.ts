import type { Server as HttpServer } from 'node:http'
import type { AddressInfo, Server } from 'node:net'

/** Makes this process a peer: opens any port and tells it, and ends with the process that started it. An idle client may stay for a minute. */
export function serve(server: Server | HttpServer): void {
  if ('keepAliveTimeout' in server) server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1', 4096, () => process.send?.({ port: (server.address() as AddressInfo).port }))
  process.on('disconnect', () => process.exit(0))
}
