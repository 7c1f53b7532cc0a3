/**
 * What counts as one client: an IPv4 address, or the /64 of an IPv6 address, which is what a single host is given (RFC 6177).
 *
 * @param address in plain form, see `plainAddress`
 */
export function clientRange(address: string): string {
  if (!address.includes(':')) return address
  const gap = address.indexOf('::')
  const left = groups(gap < 0 ? address : address.slice(0, gap))
  const right = gap < 0 ? [] : groups(address.slice(gap + 2))
  // An IPv4 address at the end stands for two groups.
  const width = left.length + right.length + (address.includes('.') ? 1 : 0)
  const all = [...left, ...Array.from({ length: Math.max(0, 8 - width) }, () => '0'), ...right]
  return `${all.slice(0, 4).join(':')}::`
}

function groups(text: string): string[] {
  return text === '' ? [] : text.split(':').map(group => group.replace(/^0+(?=.)/, '').toLowerCase())
}
