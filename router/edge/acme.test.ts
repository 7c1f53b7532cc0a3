import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ok, startBed, startHttpApp } from '../serve/testbed.ts'
import { Annotations } from '../table/annotations.ts'
import { delegateEdge, readEdge, reviveEdge } from '../table/edge.ts'
import { addressMatcher, type Policy } from '../table/route.ts'

const DOMAINS = ['shop.test', 'www.shop.test', '*.wild.test']
const THUMBPRINT = 'x'.repeat(43)
const CHALLENGE = `shop.test tok-1 tok-1.${THUMBPRINT}`

suite('x-acme-challenges', () => {
  const isAnswered = (text: string) => assert.match(text, new RegExp(`^HTTP/1\\.1 200 OK\r\n.*\r\n\r\ntok-1\\.${THUMBPRINT}$`, 's'))

  test('is answered', async () => isAnswered(await ask(CHALLENGE, get('tok-1'))))
  test('is answered before whitelist, maintenance and https, and when nothing runs', async () => {
    const policy = { allow: addressMatcher([]), maintenance: true, sslEnforce: true }
    isAnswered(await ask(CHALLENGE, get('tok-1'), policy))
    isAnswered(await ask(CHALLENGE, get('tok-1'), policy, 'nothing runs'))
    assert.match(await ask(CHALLENGE, get('tok-2'), policy), /^HTTP\/1\.1 403 /)
  })
  test('is answered for HEAD without a body', async () => {
    const text = await ask(CHALLENGE, get('tok-1').replace('GET', 'HEAD'))
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n.*Content-Length: 49\r\n.*\r\n\r\n$/s)
  })
  test('leaves other tokens, methods and paths to the app', async () => {
    for (const request of [
      get('tok-2'),
      get(''),
      get('tok-1/'),
      get('tok-1?x'),
      get('%74ok-1'),
      get('tok-1').replace('GET', 'POST'),
      get('tok-1').replace('/.well-known', ''),
    ])
      assert.match(await ask(CHALLENGE, request), /\r\n\r\nthe app$/)
  })
  test('is answered at its own domain only', async () => {
    assert.match(await ask(CHALLENGE, get('tok-1', 'www.shop.test')), /\r\n\r\nthe app$/)
  })
  test('of a host goes before the path that another app serves there', () => {
    const host = read(CHALLENGE).edge
    assert.deepEqual(delegateEdge(host, read(`www.shop.test t t.${THUMBPRINT}`).edge)?.challenges, host?.challenges)
    assert.equal(delegateEdge({}, host), undefined)
  })
})

suite('readChallenges()', () => {
  test('takes domains of the app, and names within its wildcards', () => {
    const { edge, faults } = read(`${CHALLENGE}, a.wild.test t t.${THUMBPRINT}`)
    assert.deepEqual(
      edge?.challenges?.map(({ domain }) => domain),
      ['shop.test', 'a.wild.test'],
    )
    assert.deepEqual(faults, [])
  })
  for (const item of [
    'shop.test tok',
    `shop.test tok other.${THUMBPRINT}`,
    'shop.test tok tok.short',
    `shop.test ../x ../x.${THUMBPRINT}`,
    `evil.test tok tok.${THUMBPRINT}`,
    `a.b.wild.test tok tok.${THUMBPRINT}`,
    `*.wild.test tok tok.${THUMBPRINT}`,
    `shop.test tok\r\nX: tok\r\nX.${THUMBPRINT}`,
  ])
    test(`refuses ${JSON.stringify(item).slice(0, 50)} and keeps the rest`, () => {
      const { edge, faults } = read(`${item}, ${CHALLENGE}`)
      assert.equal(edge?.challenges?.length, 1)
      assert.equal(faults.length, 1)
      assert.match(faults[0]?.message ?? '', /write/)
    })
  test('bounds them', () => {
    const { edge, faults } = read(Array.from({ length: 300 }, (_, n) => `shop.test t${n} t${n}.${THUMBPRINT}`).join(','))
    assert.equal(edge?.challenges?.length, 256)
    assert.equal(faults.length, 1)
  })
})

function read(text: string) {
  const annotations = new Annotations({ 'router.drycc.cc/x-acme-challenges': text }, 'router.drycc.cc/')
  return { edge: readEdge(annotations, { namespace: 'shop', domains: DOMAINS }), faults: annotations.faults }
}

function get(token: string, host = 'shop.test'): string {
  return `GET /.well-known/acme-challenge/${token} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
}

async function ask(challenges: string, request: string, policy: Partial<Policy> = {}, world?: 'nothing runs'): Promise<string> {
  await using app = await startHttpApp(() => ok('the app'))
  const { edge } = read(challenges)
  const apps = Object.fromEntries(DOMAINS.map(domain => [domain, world === undefined ? app : []]))
  await using bed = await startBed({ apps, policy: { ...policy, ...(edge && { edge: reviveEdge(edge) }) } })
  return await bed.exchange(request)
}
