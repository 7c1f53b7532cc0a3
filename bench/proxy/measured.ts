/** Makes this process a peer of the proxy scenario: tells where it listens, and its CPU time whenever asked. */
export function measured(port: number): void {
  process.on('message', () => process.send?.({ cpu: process.cpuUsage() }))
  process.on('disconnect', () => process.exit(0))
  process.send?.({ port })
}
