import { readFileSync } from 'node:fs'
import { isIP, SocketAddress } from 'node:net'
import { PLATFORM_NAMESPACE } from '../kernel/contract.ts'
import { parseNetworks } from '../kernel/public-address.ts'
import {
  duration,
  type Environment,
  flag,
  integer,
  list,
  oneOf,
  optional,
  parsed,
  port,
  readEnv,
  secret,
  text,
} from '../kernel/settings.ts'

/** The settings of the control plane. */
export type ControlPlaneConfig = ReturnType<typeof controlPlaneConfig>

/** Reads the control plane's settings. @throws {SettingsError} naming every fault */
export function controlPlaneConfig(env: Environment) {
  return readEnv(env, {
    port: port('CONTROLLER_PORT', '8000'),
    host: text('CONTROLLER_BIND', '0.0.0.0'),
    adminPort: port('CONTROLLER_ADMIN_PORT', '8001'),
    namespace: text('POD_NAMESPACE', PLATFORM_NAMESPACE),
    platformDomain: text('CONTROLLER_PLATFORM_DOMAIN', 'localhost'),
    /** Where the world reaches the router, for the addresses of apps that are shown to people. */
    publicHttpPort: port('CONTROLLER_PUBLIC_HTTP_PORT', '80'),
    publicHttpsPort: port('CONTROLLER_PUBLIC_HTTPS_PORT', '443'),
    /** The secret that builder and control plane share; without it every hook is refused. */
    builderKey: secret('CONTROLLER_BUILDER_KEY'),
    /** Where the router listens for http; asked whether it has learnt of a new app. Not asked where this is not set. */
    routerUrl: optional('CONTROLLER_ROUTER_URL'),
    /** The routers' admin port; a name with several addresses is that many routers. Apps' last requests are not told where this is not set. */
    routerAdminUrl: parsed('CONTROLLER_ROUTER_ADMIN_URL', '', text => (text === '' ? undefined : parseUrl(text))),
    loggerUrl: parsed('CONTROLLER_LOGGER_URL', 'http://drycc-logger', parseUrl),
    registration: oneOf('CONTROLLER_REGISTRATION', ['enabled', 'disabled', 'admin_only'], 'admin_only'),
    /** Images below it are built by the platform, `<prefix><app>`, and belong to that app. */
    imagePrefix: text('CONTROLLER_IMAGE_PREFIX', 'embedded/'),
    reservedNames: list('CONTROLLER_RESERVED_NAMES'),
    /** How long one batch of new pods may take. */
    deployTimeoutMs: duration('CONTROLLER_DEPLOY_TIMEOUT', '120s'),
    /** What a pod that took traffic is left before it is told to end, so that every router has heard of it; 0s: nothing. */
    stopDelayMs: duration('CONTROLLER_STOP_DELAY', '3s'),
    runTimeoutMs: duration('CONTROLLER_RUN_TIMEOUT', '20m'),
    destroyTimeoutMs: duration('CONTROLLER_DESTROY_TIMEOUT', '2m'),
    /** Wrong passwords for one name from one address within a minute. */
    loginFailureCountMax: integer('CONTROLLER_LOGIN_FAILURES', '10', { min: 1 }),
    /** URLs that are told of each release. */
    deployHookUrls: parsed('CONTROLLER_DEPLOY_HOOK_URLS', '', parseUrls),
    /** Networks from which pages of apps may be fetched although they are not of the public internet. */
    pageNetworks: parsed('CONTROLLER_PAGE_NETWORKS', '', parseNetworks),
    /** Directories of certificate authorities; the later ones are asked where an earlier one refuses again and again. */
    acmeDirectories: parsed('CONTROLLER_ACME_DIRECTORIES', 'https://acme-v02.api.letsencrypt.org/directory', parseUrls),
    acmeEmail: optional('CONTROLLER_ACME_EMAIL'),
    /** An account at the authority's own site, which the first directory may want. */
    acmeEabKeyId: optional('CONTROLLER_ACME_EAB_KEY_ID'),
    acmeEabHmacKey: secret('CONTROLLER_ACME_EAB_HMAC_KEY'),
    /** PEM: what to trust for the directories themselves. */
    acmeCa: parsed('CONTROLLER_ACME_CA_FILE', '', path => (path === '' ? undefined : readFileSync(path, 'utf8'))),
    /** The common name of the authority whose chain is preferred. */
    acmeChain: optional('CONTROLLER_ACME_CHAIN'),
    acmeChallenge: oneOf('CONTROLLER_ACME_CHALLENGE', ['auto', 'http-01', 'tls-alpn-01'], 'auto'),
    acmeDomains: oneOf('CONTROLLER_ACME_DOMAINS', ['off', 'asked', 'all'], 'asked'),
    /** Whether to look whether a domain leads here before a certificate is ordered. */
    acmePrecheck: flag('CONTROLLER_ACME_PRECHECK', 'true'),
    /** First certificates that the apps of one owner may order within a week, renewals apart. */
    acmeOwnerOrdersMax: integer('CONTROLLER_ACME_OWNER_ORDERS', '300', { min: 1 }),
    /** Whether apps may have certificates for names that clients ask for first, once a hook has allowed each. */
    acmeOnDemand: flag('CONTROLLER_ACME_ON_DEMAND', 'false'),
    /** The operator's hook, asked for the names of all apps. */
    acmeAskUrl: parsed('CONTROLLER_ACME_ASK_URL', '', text => (text === '' ? undefined : parseUrl(text))),
    /** The app that gets the names which no app has claimed. */
    acmeOnDemandApp: optional('CONTROLLER_ACME_ON_DEMAND_APP'),
    acmeHttpPort: port('CONTROLLER_ACME_HTTP_PORT', '80'),
    acmeHttpsPort: port('CONTROLLER_ACME_HTTPS_PORT', '443'),
    /** Name servers by which to look, as authorities do: within a cluster names may lead elsewhere. */
    acmeResolvers: parsed('CONTROLLER_ACME_RESOLVERS', '', parseResolvers),
    deployHookSecret: secret('CONTROLLER_DEPLOY_HOOK_SECRET'),
  })
}

function parseUrl(text: string): string {
  if (!/^https?:$/.test(URL.parse(text)?.protocol ?? '')) throw new TypeError(`Cannot read URL "${text}": write it as http://host:port`)
  return text
}

function parseResolvers(text: string): string[] {
  const servers = text
    .split(',')
    .map(server => server.trim())
    .filter(Boolean)
  for (const server of servers)
    if (isIP(server) === 0 && SocketAddress.parse(server) === undefined)
      throw new TypeError(`Cannot read name server "${server}": write it as 192.0.2.53 or 192.0.2.53:53`)
  return servers
}

function parseUrls(text: string): string[] {
  return text
    .split(',')
    .map(url => url.trim())
    .filter(Boolean)
    .map(parseUrl)
}
