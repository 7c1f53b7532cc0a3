/**
 * Why an address cannot be an endpoint's, in the real server's words. It refuses loopback addresses too; the pods of embedded mode live
 * there, so they are let through here.
 */
export function reachFaults(address: string): string[] {
  if (address === '0.0.0.0' || /^[0:]+$/.test(address)) return [`may not be unspecified (${address})`]
  if (/^169\.254\./.test(address) || /^fe[89ab]/i.test(address)) return ['may not be in the link-local range (169.254.0.0/16, fe80::/10)']
  if (/^224\.0\.0\./.test(address) || /^ff02:/i.test(address)) {
    return ['may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)']
  }
  return []
}
