import assert from 'node:assert/strict'
import { type AddressInfo, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { suite, test } from 'node:test'
import { ok, startHttpApp } from '../../router/serve/testbed.ts'
import { endpoint } from '../../router/table/route.ts'
import { issue } from '../tls/pki.ts'
import { Cluster, get, judge, type Point, play } from './contract-cluster.ts'

const TRUSTED = { 'nginx.proxyRealIpCidrs': '127.0.0.1' }
const TLS = { serverName: 'shop.test' }
const ELSEWHERE = { from: '127.0.0.9' }
const HSTS = { 'nginx.ssl.hsts.enabled': 'true' }
const LONG = 'x'.repeat(256)

/** Contract, section 5 (and 0.5, 6 where they speak of the same), sentence by sentence. */
const POINTS: readonly Point[] = [
  // 5.1 Host matching
  { point: '5.1', says: 'a domain with a dot is used as it is', request: get('shop.test'), gets: /shop \/$/ },
  { point: '5.1', says: 'and stands for no name below it', request: get('a.shop.test'), gets: /^HTTP\/1\.1 404 .*R10/s },
  { point: '5.1', says: 'a wildcard takes any depth', shop: { domains: '*.shop.test' }, request: get('a.b.shop.test'), gets: /shop \/$/ },
  { point: '5.1', says: 'a wildcard is not its own parent', shop: { domains: '*.shop.test' }, request: get('shop.test'), gets: / 404 / },
  {
    point: '5.1',
    says: 'a short domain is any host that begins with it',
    shop: { domains: 'shop' },
    request: get('shop.127.0.0.1.nip.io'),
    gets: /shop \/$/,
  },
  { point: '5.1', says: 'and a dot', shop: { domains: 'shop' }, request: get('shopping.test'), gets: / 404 / },
  { point: '5.1', says: 'and something behind that', shop: { domains: 'shop' }, request: get('shop'), gets: / 404 / },
  {
    ...{ point: '5.1', says: 'with a platform domain a short domain stands below that, whatever its case' },
    ...{ shop: { domains: 'Shop' }, router: { 'nginx.platformDomain': 'Apps.TEST' }, request: get('shop.apps.test'), gets: /shop \/$/ },
  },
  {
    ...{ point: '5.1', says: 'and nowhere else' },
    ...{ shop: { domains: 'shop' }, router: { 'nginx.platformDomain': 'apps.test' }, request: get('shop.other.test'), gets: / 404 / },
  },
  {
    ...{ point: '5.1', says: 'an exact name goes before a wildcard, a wildcard before a short name' },
    ...{ others: { wild: { annotations: { domains: '*.test' } }, short: { annotations: { domains: 'shop' } } }, gets: /shop \/$/ },
  },
  {
    ...{ point: '5.1', says: 'the longest wildcard wins', shop: { domains: '*.b.test' } },
    ...{ others: { wild: { annotations: { domains: '*.test' } } }, request: get('a.b.test'), gets: /shop \/$/ },
  },
  {
    point: '5.1',
    says: 'the app sees Host in lower case, without port',
    request: get('SHOP.Test:8080'),
    appGets: /\r\nHost: shop\.test\r\n/,
  },
  { point: '5.1', says: 'an unknown host is 404 on http', request: get('nobody.test'), gets: /^HTTP\/1\.1 404 / },
  { point: '5.1', says: 'and on https', request: get('nobody.test'), way: { serverName: 'nobody.test' }, gets: /^HTTP\/1\.1 404 / },
  { point: '5.1', says: 'an address of IPv6 is a host that nobody has', request: get('[::1]:8080'), gets: /^HTTP\/1\.1 404 / },
  {
    ...{ point: '5.1', says: '/healthz of an unknown host is 200, empty, text/plain', request: get('10.0.0.1', '', '/healthz') },
    gets: /^HTTP\/1\.1 200 OK\r\nContent-Type: text\/plain\r\nContent-Length: 0\r\nConnection: close\r\n\r\n$/,
  },
  {
    ...{ point: '5.1', says: 'on https too, and with a slash', request: get('[2001:db8::1]', '', '/healthz/'), way: { serverName: '' } },
    gets: /^HTTP\/1\.1 200 OK\r\nContent-Type: text\/plain\r\n/,
  },
  { point: '5.1', says: '/healthz of a known host is its app’s', request: get('shop.test', '', '/healthz'), gets: /shop \/healthz$/ },

  // 5.2 Paths of others
  ...(
    [
      ['a prefix takes what begins with it, segments or not', '/webhooksfoo', true],
      ['what it takes is the normal path: dots', '/a/../webhooks', true],
      ['slashes', '//webhooks', true],
      ['escapes', '/%77ebhooks', true],
      ['nothing else', '/webhook', false],
    ] as const
  ).map(([says, target, isOther]) => ({
    ...{ point: '5.2', says: `${says}: ${target}`, request: get('shop.test', '', target) },
    // The prefix is not stripped, and the path goes on as it came.
    gets: new RegExp(`${isOther ? 'other' : 'shop'} ${target.replace(/[.]/g, '\\.')}$`),
    others: { hooks: { namespace: 'shop', annotations: { domains: 'hooks', proxyDomain: 'shop.test', proxyLocations: '/webhooks' } } },
  })),
  {
    ...{ point: '5.2', says: 'the longest prefix wins', request: get('shop.test', '', '/a/b') },
    ...{
      others: {
        long: { namespace: 'shop', annotations: { domains: 'long', proxyDomain: 'shop.test', proxyLocations: '/a/b' } },
        down: {
          namespace: 'shop',
          annotations: { domains: 'down', proxyDomain: 'shop.test', proxyLocations: '/a,/', maintenance: 'true' },
        },
      },
      gets: /other \/a\/b$/,
    },
  },
  {
    ...{ point: '5.2', says: 'the delegate’s own domains remain routable', request: get('hooks.test', '', '/x') },
    ...{
      others: { hooks: { namespace: 'shop', annotations: { domains: 'hooks.test', proxyDomain: 'shop.test', proxyLocations: '/hooks' } } },
      gets: /other \/x$/,
    },
  },
  {
    ...{ point: '5.2', says: 'maintenance is the delegate’s, with the plain page', request: get('shop.test', '', '/hooks') },
    ...{
      others: {
        hooks: {
          namespace: 'shop',
          annotations: { domains: 'h', proxyDomain: 'shop.test', proxyLocations: '/hooks', maintenance: 'true' },
        },
      },
      gets: /^HTTP\/1\.1 503 .*503 Service Unavailable\n/s,
    },
  },
  {
    ...{ point: '5.2', says: 'ssl.enforce is the delegate’s', request: get('shop.test', '', '/hooks') },
    ...{
      others: {
        hooks: {
          namespace: 'shop',
          annotations: { domains: 'h', proxyDomain: 'shop.test', proxyLocations: '/hooks', 'ssl.enforce': 'true' },
        },
      },
      gets: /^HTTP\/1\.1 301 /,
    },
  },
  {
    ...{ point: '5.2', says: 'the host’s does not count there', request: get('shop.test', '', '/hooks'), shop: { 'ssl.enforce': 'true' } },
    ...{
      others: { hooks: { namespace: 'shop', annotations: { domains: 'h', proxyDomain: 'shop.test', proxyLocations: '/hooks' } } },
      gets: /other \/hooks$/,
    },
  },
  {
    ...{ point: '5.2', says: 'whitelist, Referrer-Policy and X-Request-Start are the host’s', request: get('shop.test', '', '/hooks') },
    ...{
      shop: { whitelist: '127.0.0.1', referrerPolicy: 'origin', disableRequestStartHeader: 'true' },
      router: { 'nginx.requestStartHeader': 'true' },
      others: {
        hooks: {
          namespace: 'shop',
          annotations: {
            domains: 'h',
            proxyDomain: 'shop.test',
            proxyLocations: '/hooks',
            whitelist: '192.0.2.1',
            referrerPolicy: 'unsafe-url',
          },
        },
      },
      gets: /\r\nReferrer-Policy: origin\r\n.*other \/hooks$/s,
      getsNot: /unsafe-url/,
      appGetsNot: /X-Request-Start/,
    },
  },
  {
    ...{
      point: '5.2',
      says: 'the domain that is to be delegated is compared as written: a short one stays short',
      request: get('shop.x.test', '', '/hooks'),
    },
    ...{
      shop: { domains: 'shop' },
      others: { hooks: { namespace: 'shop', annotations: { domains: 'h', proxyDomain: 'shop', proxyLocations: '/hooks' } } },
      gets: /other \/hooks$/,
    },
  },
  {
    ...{ point: '5.2', says: 'regexDomain does nothing unless the router enables it', request: get('shop7.test') },
    ...{ shop: { domains: 'shop', regexDomain: 'shop[0-9]' }, gets: / 404 / },
  },
  {
    ...{ point: '5.2', says: 'enabled it matches from the start to a dot', request: get('shop7.other.test') },
    ...{ shop: { domains: 'shop', regexDomain: 'shop[0-9]' }, router: { 'nginx.enableRegexDomains': 'true' }, gets: /shop \/$/ },
  },
  {
    ...{
      point: '5.2',
      says: 'the domain that it stands for is a prefix then, the platform domain being ignored',
      request: get('shop.other.test'),
    },
    ...{
      shop: { domains: 'shop', regexDomain: 'shop[0-9]' },
      router: { 'nginx.enableRegexDomains': 'true', 'nginx.platformDomain': 'apps.test' },
      gets: /shop \/$/,
    },
  },
  {
    ...{ point: '5.2', says: 'other domains of the app are unaffected', request: get('www.apps.test') },
    ...{
      shop: { domains: 'www,shop', regexDomain: 'shop[0-9]' },
      router: { 'nginx.enableRegexDomains': 'true', 'nginx.platformDomain': 'apps.test' },
      gets: /shop \/$/,
    },
  },

  // 5.4 Availability
  { point: '5.4', says: 'no ready endpoints is 503', isDown: true, gets: /^HTTP\/1\.1 503 .*R20/s },
  ...['GET', 'POST', 'DELETE', 'OPTIONS', 'PROPFIND'].map(method => ({
    ...{ point: '5.4', says: `maintenance is 503 with its page for ${method}`, shop: { maintenance: 'True' } },
    ...{ request: get('shop.test', 'Content-Length: 0\r\nAccept: text/html\r\n', '/any/path', method) },
    gets: /^HTTP\/1\.1 503 .*<title>Site Maintenance<\/title>/s,
    appGetsNothing: true as const,
  })),
  {
    point: '5.4',
    says: 'maintenance of an app without endpoints too',
    shop: { maintenance: 'true' },
    isDown: true,
    gets: /503 Site Maintenance/,
  },

  // 5.5 Headers to the app
  {
    ...{
      point: '5.5',
      says: 'X-Forwarded-For is one address, the rightmost that is not trusted',
      router: { 'nginx.proxyRealIpCidrs': '127.0.0.1,10.0.0.0/8' },
    },
    ...{
      request: get('shop.test', 'X-Forwarded-For: 6.6.6.6, 203.0.113.5, 10.1.1.1\r\n'),
      appGets: /\r\nX-Forwarded-For: 203\.0\.113\.5\r\n/,
    },
    logs: / - shop - 203\.0\.113\.5 - /,
  },
  {
    ...{ point: '5.5', says: 'also of several lines', router: TRUSTED },
    ...{
      request: get('shop.test', 'X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.5\r\n'),
      appGets: /X-Forwarded-For: 203\.0\.113\.5\r\n/,
    },
  },
  {
    ...{ point: '5.5', says: 'an address of IPv6, in short form', router: TRUSTED },
    ...{ request: get('shop.test', 'X-Forwarded-For: 2001:DB8:0:0::5\r\n'), appGets: /\r\nX-Forwarded-For: 2001:db8::5\r\n/ },
    logs: / - shop - 2001:db8::5 - /,
  },
  {
    ...{ point: '5.5', says: 'a port behind an address is no part of it', router: TRUSTED },
    ...{ request: get('shop.test', 'X-Forwarded-For: [2001:db8::5]:4711\r\n'), appGets: /\r\nX-Forwarded-For: 2001:db8::5\r\n/ },
  },
  {
    ...{ point: '5.5', says: 'and only if the peer is trusted', way: ELSEWHERE, router: TRUSTED },
    ...{ request: get('shop.test', 'X-Forwarded-For: 6.6.6.6\r\n'), appGets: /\r\nX-Forwarded-For: 127\.0\.0\.9\r\n/ },
  },
  ...(
    [
      ['http, HTTPS', 'https'],
      ['wss', 'wss'],
      ['ws', 'ws'],
      ['https, gopher', 'http'],
      ['', 'http'],
    ] as const
  ).map(([stated, seen]) => ({
    ...{ point: '5.5', says: `X-Forwarded-Proto is the last of a trusted peer’s “${stated}”`, router: TRUSTED },
    request: get('shop.test', `X-Forwarded-Proto: ${stated}\r\n`),
    appGets: new RegExp(`\r\nX-Forwarded-Proto: ${seen}\r\n`),
  })),
  {
    ...{ point: '5.5', says: 'on TLS always https', router: TRUSTED, way: TLS, request: get('shop.test', 'X-Forwarded-Proto: http\r\n') },
    appGets: /\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n/,
  },
  {
    ...{ point: '5.5', says: 'X-Forwarded-Port is the trusted peer’s, if any', router: TRUSTED },
    ...{ request: get('shop.test', 'X-Forwarded-Port: 8443\r\n'), appGets: /\r\nX-Forwarded-Port: 8443\r\n/ },
  },
  { point: '5.5', says: 'else 80', appGets: /\r\nX-Forwarded-Port: 80\r\n/ },
  {
    ...{
      point: '0.5',
      says: 'a stranger’s scheme and port are not believed',
      router: TRUSTED,
      way: ELSEWHERE,
      shop: { 'ssl.enforce': 'true' },
    },
    ...{ request: get('shop.test', 'X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n'), gets: /^HTTP\/1\.1 301 /, getsNot: /Strict/ },
  },
  {
    ...{ point: '5.5', says: 'X-Forwarded-Host, Forwarded and X-Real-IP pass through from a trusted peer', router: TRUSTED },
    request: get('shop.test', 'X-Forwarded-Host: a\r\nForwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\n'),
    appGets: /\r\nX-Forwarded-Host: a\r\nForwarded: for=1\.2\.3\.4\r\nX-Real-IP: 1\.2\.3\.4\r\n/,
  },
  {
    ...{ point: '5.5', says: 'and from nobody else', router: TRUSTED, way: ELSEWHERE },
    request: get('shop.test', 'X-Forwarded-Host: a\r\nForwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\n'),
    appGetsNot: /X-Forwarded-Host|Forwarded: for|X-Real-IP/i,
  },
  {
    ...{ point: '5.5', says: 'Proxy-Authorization passes, Proxy-Connection does not (a hop’s own)' },
    request: get('shop.test', 'Proxy-Authorization: Basic eA==\r\nProxy-Connection: keep-alive\r\n'),
    appGets: /\r\nProxy-Authorization: Basic eA==\r\n/,
    appGetsNot: /Proxy-Connection/,
  },
  {
    ...{ point: '5.5', says: 'names with _ or . are dropped, TE, Keep-Alive and Early-Data removed' },
    request: get('shop.test', 'X_A: 1\r\nX.B: 1\r\nTE: trailers\r\nKeep-Alive: timeout=5\r\nEarly-Data: 1\r\nX-C: 1\r\n'),
    appGets: /\r\nX-C: 1\r\n/,
    appGetsNot: /x_a|x\.b|\r\nte:|keep-alive|early-data/i,
  },
  {
    ...{
      point: '5.5',
      says: 'path and query go byte for byte',
      request: get('shop.test', '', '//a/./../%2F;b?c=%0a&&d#'.replace('#', '')),
    },
    appGets: /^GET \/\/a\/\.\/\.\.\/%2F;b\?c=%0a&&d HTTP\/1\.1\r\n/,
  },
  { point: '5.5', says: 'any method token passes', request: get('shop.test', '', '/', 'M-SEARCH'), appGets: /^M-SEARCH \/ / },
  { point: '5.5', says: 'save TRACE', request: get('shop.test', '', '/', 'TRACE'), gets: /^HTTP\/1\.1 405 /, appGetsNothing: true },
  {
    ...{ point: '5.5', says: 'X-Request-Id is a new one, X-Correlation-Id goes on', router: { 'nginx.requestIDs': 'true' } },
    ...{ request: get('shop.test', 'X-Request-ID: mine\r\nX-Correlation-ID: chain\r\n') },
    appGets: /\r\nX-Request-Id: ([0-9a-f]{32})\r\nX-Correlation-Id: chain,\1\r\n/,
    appGetsNot: /mine/,
    gets: /\r\nX-Request-Id: ([0-9a-f]{32})\r\nX-Correlation-Id: chain,\1\r\n/,
  },
  {
    ...{ point: '5.5', says: 'without one of the client the correlation is the id', router: { 'nginx.requestIDs': 'true' } },
    appGets: /\r\nX-Request-Id: ([0-9a-f]{32})\r\nX-Correlation-Id: \1\r\n/,
  },
  {
    ...{ point: '5.5', says: 'both stand on errors too', router: { 'nginx.requestIDs': 'true' }, isDown: true },
    gets: /^HTTP\/1\.1 503 .*\r\nX-Request-Id: [0-9a-f]{32}\r\nX-Correlation-Id: /s,
  },
  {
    ...{ point: '5.5', says: 'and beside any that the app sets', router: { 'nginx.requestIDs': 'true' } },
    ...{ answer: () => ok('', 'X-Request-Id: own\r\n'), gets: /\r\nX-Request-Id: own\r\n.*X-Request-Id: [0-9a-f]{32}\r\n/s },
  },

  // 5.6 Whitelists
  {
    point: '5.6',
    says: 'who is not on the app’s list is 403',
    shop: { whitelist: '192.0.2.0/24' },
    gets: /^HTTP\/1\.1 403 /,
    appGetsNothing: true,
  },
  { point: '5.6', says: 'who is comes in', shop: { whitelist: '192.0.2.1, 127.0.0.0/8' }, gets: /^HTTP\/1\.1 200 / },
  {
    ...{ point: '5.6', says: 'a network of IPv6 counts', router: TRUSTED, shop: { whitelist: '2001:db8::/32' } },
    ...{ request: get('shop.test', 'X-Forwarded-For: 2001:DB8:0::7\r\n'), gets: /^HTTP\/1\.1 200 / },
  },
  {
    ...{ point: '5.6', says: 'for IPv6 as for IPv4', router: TRUSTED, shop: { whitelist: '2001:db8::/32' } },
    ...{ request: get('shop.test', 'X-Forwarded-For: 2001:db9::7\r\n'), gets: /^HTTP\/1\.1 403 / },
  },
  {
    ...{ point: '5.6', says: 'an address that maps IPv4 is that one', router: TRUSTED, shop: { whitelist: '192.0.2.7' } },
    ...{ request: get('shop.test', 'X-Forwarded-For: ::ffff:c000:207\r\n'), gets: /^HTTP\/1\.1 200 / },
  },
  {
    point: '5.6',
    says: 'enforceWhitelists: an app without a list denies all',
    router: { 'nginx.enforceWhitelists': 'true' },
    gets: / 403 /,
  },
  {
    ...{ point: '5.6', says: 'and one with a list those who are not on it', router: { 'nginx.enforceWhitelists': 'true' } },
    ...{ shop: { whitelist: '127.0.0.1' }, gets: /^HTTP\/1\.1 200 / },
  },
  { point: '5.6', says: 'a default list makes lists of all apps', router: { 'nginx.defaultWhitelist': '192.0.2.1' }, gets: / 403 / },
  {
    ...{ point: '5.6', says: 'which extend it', router: { 'nginx.defaultWhitelist': '127.0.0.1' }, shop: { whitelist: '192.0.2.1' } },
    gets: /^HTTP\/1\.1 200 /,
  },
  {
    ...{ point: '5.6', says: 'or replace it', router: { 'nginx.defaultWhitelist': '127.0.0.1', 'nginx.whitelistMode': 'override' } },
    ...{ shop: { whitelist: '192.0.2.1' }, gets: /^HTTP\/1\.1 403 / },
  },
  {
    ...{ point: '5.6', says: 'override leaves the default where an app has none' },
    ...{ router: { 'nginx.defaultWhitelist': '127.0.0.1', 'nginx.whitelistMode': 'override' }, gets: /^HTTP\/1\.1 200 / },
  },
  ...(
    [
      ['the redirect', { 'ssl.enforce': 'true' }, {}],
      ['maintenance', { maintenance: 'true' }, {}],
      ['no endpoints', {}, { isDown: true }],
      ['the limit of the body', { 'x-body-size': '1' }, { request: `${get('shop.test', 'Content-Length: 2\r\n', '/', 'POST')}xx` }],
    ] as const
  ).map(([what, wish, more]) => ({
    ...{ point: '5.6', says: `it comes before ${what}`, shop: { whitelist: '192.0.2.1', ...wish }, ...more },
    ...{ gets: /^HTTP\/1\.1 403 .*R12/s, getsNot: /Location/ },
  })),
  {
    point: '5.6',
    says: 'the default vhost has none',
    router: { 'nginx.defaultWhitelist': '192.0.2.1' },
    request: get('none.test'),
    gets: / 404 /,
  },

  // 5.7 HTTPS
  ...(
    [
      ['the router’s ssl.enforce', { 'nginx.ssl.enforce': 'TRUE' }, {}],
      ['the router’s HSTS', HSTS, {}],
      ['the app’s ssl.enforce', {}, { 'ssl.enforce': 'True' }],
    ] as const
  ).map(([what, router, shop]) => ({
    ...{ point: '5.7', says: `${what} sends to https: 301, host and target as they are`, router, shop },
    request: get('Shop.test:8080', '', '/a?b=c'),
    gets: /^HTTP\/1\.1 301 Moved Permanently\r\nLocation: https:\/\/shop\.test\/a\?b=c\r\n/,
    getsNot: /Strict-Transport/,
    appGetsNothing: true as const,
  })),
  {
    ...{ point: '5.7', says: 'wss where the forwarded scheme is ws', router: TRUSTED, shop: { 'ssl.enforce': 'true' } },
    ...{ request: get('shop.test', 'X-Forwarded-Proto: ws\r\n'), gets: /\r\nLocation: wss:\/\/shop\.test\/\r\n/ },
  },
  {
    ...{
      point: '5.7',
      says: 'https by a trusted proxy is https',
      router: { ...TRUSTED, ...HSTS },
      request: get('shop.test', 'X-Forwarded-Proto: https\r\n'),
    },
    gets: /^HTTP\/1\.1 200 .*\r\nStrict-Transport-Security: max-age=15552000\r\n/s,
  },
  {
    point: '5.7',
    says: 'wss too',
    shop: { 'ssl.enforce': 'true' },
    router: TRUSTED,
    request: get('shop.test', 'X-Forwarded-Proto: wss\r\n'),
    gets: / 200 /,
  },
  { point: '5.7', says: 'what is down is 503 on http', isDown: true, shop: { 'ssl.enforce': 'true' }, gets: /^HTTP\/1\.1 503 / },
  { point: '5.7', says: 'and so is maintenance', shop: { 'ssl.enforce': 'true', maintenance: 'true' }, gets: /^HTTP\/1\.1 503 / },
  {
    point: '5.7',
    says: 'HSTS stands on error answers too',
    router: HSTS,
    way: TLS,
    isDown: true,
    gets: /^HTTP\/1\.1 503 .*\r\nStrict-Transport-Security: /s,
  },
  {
    point: '5.7',
    says: 'never on the default vhost',
    router: HSTS,
    way: { serverName: 'none.test' },
    request: get('none.test'),
    getsNot: /Strict-Transport/,
  },
  {
    ...{ point: '5.7', says: 'HSTS in the place of the app’s own: browsers heed the first alone', way: TLS },
    ...{ router: { ...HSTS, 'nginx.ssl.hsts.maxAge': '5', 'nginx.ssl.hsts.includeSubDomains': 'true', 'nginx.ssl.hsts.preload': 'True' } },
    answer: () => ok('', 'X-First: 1\r\nstrict-transport-security: max-age=0\r\nX-Last: 1\r\n'),
    gets: /\r\nX-First: 1\r\nX-Last: 1\r\nStrict-Transport-Security: max-age=5; includeSubDomains; preload\r\n/,
    getsNot: /max-age=0/,
  },
  {
    ...{ point: '5.7', says: 'where the router sets none the app’s own passes', way: TLS },
    ...{ answer: () => ok('', 'Strict-Transport-Security: max-age=7\r\n'), gets: /\r\nStrict-Transport-Security: max-age=7\r\n/ },
  },
  {
    ...{ point: '5.7', says: '/.well-known/acme-challenge/ is no exception', shop: { 'ssl.enforce': 'true' } },
    ...{ request: get('shop.test', '', '/.well-known/acme-challenge/x'), gets: /^HTTP\/1\.1 301 / },
  },

  // 5.8 Compression
  ...'application/atom+xml application/javascript application/json application/rss+xml application/vnd.ms-fontobject application/x-font-ttf application/x-web-app-manifest+json application/xhtml+xml application/xml font/opentype image/svg+xml image/x-icon text/css text/plain text/x-component text/html'
    .split(' ')
    .map(type => ({
      ...{ point: '5.8', says: `${type} is compressed`, request: get('shop.test', 'Accept-Encoding: gzip\r\n') },
      answer: () => `HTTP/1.1 200 OK\r\nContent-Type: ${type}; charset=x\r\nContent-Length: 256\r\n\r\n${LONG}`,
      gets: /\r\nVary: Accept-Encoding\r\nContent-Encoding: gzip\r\n/,
    })),
  ...['image/png', 'application/octet-stream', 'text/xml2', 'video/mp4', 'application/zip'].map(type => ({
    ...{ point: '5.8', says: `${type} is not`, request: get('shop.test', 'Accept-Encoding: gzip\r\n') },
    answer: () => `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Length: 256\r\n\r\n${LONG}`,
    gets: /x{256}$/,
    getsNot: /Vary|Content-Encoding/,
  })),
  {
    ...{ point: '5.8', says: 'a strong ETag becomes weak', request: get('shop.test', 'Accept-Encoding: gzip\r\n') },
    ...{ answer: () => ok(LONG, 'ETag: "a"\r\n'), gets: /\r\nETag: W\/"a"\r\n/ },
  },

  // 5.9 The log's line
  {
    ...{
      point: '5.9',
      says: 'fourteen fields in their order',
      request: get('Shop.test', 'Referer: http://r/\r\nUser-Agent: curl/8 (x - y)\r\nAuthorization: Basic YW5uOng=\r\n', '/a?b=c', 'PUT'),
    },
    logs: /^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00\] - shop - 127\.0\.0\.1 - ann - 200 - "PUT \/a\?b=c HTTP\/1\.1" - \d+ - "http:\/\/r\/" - "curl\/8 \(x \\x2D y\)" - "shop\.test" - 127\.0\.0\.1:\d+ - shop\.test - \d+\.\d{3} - \d+\.\d{3}$/,
  },
  {
    ...{ point: '5.9', says: 'what is not known is a hyphen', request: 'GET / HTTP/1.0\r\n\r\n' },
    logs: /^\[[^\]]+\] - - - 127\.0\.0\.1 - - - 404 - "GET \/ HTTP\/1\.0" - \d+ - "-" - "-" - "_" - - - - - - - \d+\.\d{3}$/,
  },
  {
    point: '5.9',
    says: 'a redirect has no upstream, and no time of one',
    shop: { 'ssl.enforce': 'true' },
    logs: / - 301 - .* - "shop\.test" - - - shop\.test - - - \d\.\d{3}$/,
  },
  {
    ...{ point: '5.9', says: 'the app is namespace/name where these differ', request: get('api.test') },
    ...{ others: { api: { namespace: 'team', annotations: { domains: 'api.test' } } }, logs: / - team\/api - / },
  },
  {
    ...{
      point: '5.9',
      says: 'the status of a client that is gone from https stands there as any',
      way: TLS,
      router: {
        'nginx.logFormat':
          '$scheme $ssl_protocol $ssl_cipher $ssl_server_name $ssl_session_reused $sent_http_content_type $sent_http_x_none $sent_http_set_cookie',
      },
    },
    ...{ answer: () => ok('', 'Set-Cookie: secret\r\n'), logs: /^https TLSv1\.3 TLS_[A-Z0-9_]+ shop\.test \. text\/plain - -$/ },
  },
]

suite('Behaviour (contract, section 5), point by point', () => {
  for (const point of POINTS) test(`${point.point} ${point.says}`, async () => judge(point, await play(point)))
})

suite('Certificates (contract 5.3)', () => {
  const own = issue(undefined, ['shop.test'])
  const platform = issue(undefined, ['*.apps.test'])
  const world = async (annotations: Record<string, string>) => {
    const app = await startHttpApp(() => ok('shop'))
    const cluster = await Cluster.start()
    cluster.secret('drycc/drycc-router-platform-cert', platform)
    cluster.secret('shop/www-cert', own)
    cluster.router({ 'nginx.platformDomain': 'apps.test' })
    cluster.service('shop', { annotations, at: [app.endpoint] })
    const faults = cluster.apply()
    return {
      cluster,
      faults,
      async [Symbol.asyncDispose]() {
        await cluster[Symbol.asyncDispose]()
        await app[Symbol.asyncDispose]()
      },
    }
  }
  for (const [says, annotations, name, shown, status] of [
    [
      'a full name has the Secret <name>-cert of its namespace',
      { domains: 'shop.test', certificates: 'shop.test:www' },
      'shop.test',
      own,
      200,
    ],
    ['case and blanks do not count', { domains: 'shop.test', certificates: ' Shop.Test : www , ' }, 'SHOP.test', own, 200],
    ['without one it is shown the platform’s', { domains: 'shop.test' }, 'shop.test', platform, 200],
    ['a missing Secret as well', { domains: 'shop.test', certificates: 'shop.test:none' }, 'shop.test', platform, 200],
    [
      'a short name has the platform’s, whatever is mapped to it',
      { domains: 'shop', certificates: 'shop:www' },
      'shop.apps.test',
      platform,
      200,
    ],
    ['who names nobody is shown the platform’s, and no app', { domains: 'shop.test', certificates: 'shop.test:www' }, '', platform, 404],
    ['who names a stranger too', { domains: 'shop.test', certificates: 'shop.test:www' }, 'other.test', platform, 404],
  ] as const)
    test(says, async () => {
      await using it = await world(annotations)
      const { certificate, text } = await it.cluster.askTls(get(name || 'nobody.test'), name)
      assert.equal(certificate, shown.certificate)
      assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `))
    })
  test('another one is shown from its Secret on, and connections under the old one live on', async () => {
    await using it = await world({ domains: 'shop.test', certificates: 'shop.test:www' })
    const { cluster } = it
    const client = cluster.open({ serverName: 'shop.test' })
    client.send('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
    await client.until(/shop$/)
    const next = issue(undefined, ['shop.test'])
    cluster.secret('shop/www-cert', next)
    cluster.apply()
    assert.equal((await cluster.askTls(get(), 'shop.test')).certificate, next.certificate)
    client.send(get())
    await client.ended
    assert.equal(client.text.match(/HTTP\/1\.1 200 OK/g)?.length, 2)
    client.destroy()
  })
  test('a mapping to a Secret that is not there is told', async () => {
    await using it = await world({ domains: 'shop.test', certificates: 'shop.test:none' })
    assert.match(it.faults.get('shop/shop')?.[0]?.message ?? '', /no Secret shop\/none-cert/)
  })
  test('a default service answers no unknown name over TLS, and its app’s certificate is not shown', async () => {
    await using it = await world({ domains: 'shop.test', certificates: 'shop.test:www' })
    it.cluster.router({ 'nginx.defaultServiceEnabled': 'true', 'nginx.defaultServiceIP': 'shop/shop' })
    it.cluster.apply()
    const { certificate, text } = await it.cluster.askTls(get('other.test'), 'other.test')
    assert.equal(certificate, platform.certificate)
    assert.match(text, /^HTTP\/1\.1 404 /)
    assert.match(await it.cluster.ask(get('other.test')), /shop$/)
  })
})

suite('Availability (contract 5.4)', () => {
  test('connect refused is 502, at once', async () => {
    await using cluster = await Cluster.start()
    cluster.service('shop', { annotations: { domains: 'shop.test' }, at: [endpoint('127.0.0.1', 1)] })
    cluster.apply()
    assert.match(await cluster.ask(get()), /^HTTP\/1\.1 502 .*R30/s)
  })
  for (const [what, router, annotations] of [
    ['its tcpTimeout', {}, { tcpTimeout: '50ms' }],
    ['the router’s defaultTimeout, without one of its own', { 'nginx.defaultTimeout': '50ms' }, {}],
  ] as const)
    test(`an app that is silent for ${what} is 504`, async () => {
      await using app = await startHttpApp(() => undefined)
      await using cluster = await Cluster.start()
      cluster.router(router)
      cluster.service('shop', { annotations: { domains: 'shop.test', ...annotations }, at: [app.endpoint] })
      cluster.apply()
      assert.match(await cluster.ask(get()), /^HTTP\/1\.1 504 .*R32/s)
    })
  test('unknown hosts go to the default service: no redirect, no whitelist, Host as it was asked for', async () => {
    await using app = await startHttpApp(() => ok('landing'))
    await using cluster = await Cluster.start()
    const all = { 'nginx.ssl.enforce': 'true', 'nginx.enforceWhitelists': 'true', 'nginx.ssl.hsts.enabled': 'true' }
    cluster.router({ ...all, 'nginx.defaultServiceEnabled': 'true', 'nginx.defaultServiceIP': 'home/home' })
    cluster.service('home', { annotations: { maintenance: 'false' }, at: [app.endpoint] })
    cluster.apply()
    assert.match(await cluster.ask(get('Any.Host:80', '', '/x')), /^HTTP\/1\.1 200 .*landing$/s)
    assert.match(app.received[0] ?? '', /^GET \/x HTTP\/1\.1\r\nHost: any\.host\r\n/)
    assert.match(
      await cluster.ask(get('10.0.0.1', '', '/healthz')),
      /^HTTP\/1\.1 200 OK\r\nContent-Type: text\/plain\r\nContent-Length: 0\r\n/,
    )
  })
})

suite('IPv6 (contract 5.5, 5.9)', { skip: !hasIpv6() }, () => {
  test('an app at an address of IPv6 is reached, and stands in brackets in the log', async () => {
    const app = createServer(socket => socket.once('data', () => socket.end(ok('six'))))
    await new Promise<void>(resolve => app.listen(0, '::1', resolve))
    const { port } = app.address() as AddressInfo
    await using cluster = await Cluster.start()
    cluster.service('shop', { annotations: { domains: 'shop.test' }, at: [{ address: '::1', port }] })
    cluster.apply()
    assert.match(await cluster.ask(get()), /six$/)
    app.close()
    assert.ok((await cluster.stop())[0]?.includes(` - "shop.test" - [::1]:${port} - shop.test - `))
  })
})

suite('Upgrades (contract 5.5)', () => {
  test('any protocol passes, Connection becomes upgrade; but none that would hide requests', async () => {
    await using app = await startHttpApp(request =>
      /\r\nUpgrade: thing\/1\r\n/.test(request.head)
        ? 'HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: thing/1\r\n\r\n'
        : ok(request.head),
    )
    await using cluster = await Cluster.start()
    cluster.service('shop', { annotations: { domains: 'shop.test' }, at: [app.endpoint] })
    cluster.apply()
    const client = cluster.bed.send('GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: thing/1\r\n\r\n')
    await client.until(/^HTTP\/1\.1 101 .*\r\n\r\n/s)
    assert.match(app.received[0] ?? '', /\r\nConnection: upgrade\r\nUpgrade: thing\/1\r\n/)
    const h2c = await cluster.ask(
      'GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n\r\n',
    )
    assert.match(h2c, /^HTTP\/1\.1 200 /)
    assert.doesNotMatch(h2c.slice(h2c.indexOf('\r\n\r\n')), /upgrade|http2/i)
  })
})

function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some(list => list?.some(({ address }) => address === '::1'))
}
