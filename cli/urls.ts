/**
 * Where an app answers. A domain without a dot stands under the platform's own: `shop` at the platform of `http://drycc.example.com:8080` is
 * `http://shop.example.com:8080`.
 */
export function appUrls(controller: string, domains: readonly string[]): string[] {
  const { protocol, hostname, port } = new URL(controller)
  const platformDomain = hostname.slice(hostname.indexOf('.') + 1)
  const suffix = port ? `:${port}` : ''
  return domains.map(domain => `${protocol}//${domain.includes('.') ? domain : `${domain}.${platformDomain}`}${suffix}`)
}
