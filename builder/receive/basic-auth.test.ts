import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { HookKey } from '../../kernel/contract.ts'
import { Authenticator, parseBasic } from './basic-auth.ts'

suite('parseBasic()', () => {
  const encode = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
  test('splits at the first colon', () => assert.deepEqual(parseBasic(encode('ana:a:b')), { username: 'ana', password: 'a:b' }))
  test('reads UTF-8', () => assert.deepEqual(parseBasic(encode('jürgen:ß')), { username: 'jürgen', password: 'ß' }))
  test('takes no other scheme and no lone name', () => {
    for (const header of [undefined, '', 'Bearer x', encode('ana'), 'Basic', 'Basic !']) assert.equal(parseBasic(header), undefined)
  })
})

suite('Authenticator', () => {
  const asked = (answers: (HookKey | undefined | Error)[]) => {
    let count = 0
    const authenticator = new Authenticator(async () => {
      const answer = answers[count++]
      if (answer instanceof Error) throw answer
      return answer
    })
    return { identify: (app: string) => authenticator.identify({ username: 'ana', password: 'x' }, app), count: () => count }
  }
  const ana = { username: 'ana', apps: ['shop'] }

  test('remembers a yes', async () => {
    const { identify, count } = asked([ana])
    await identify('shop')
    assert.deepEqual(await identify('shop'), ana)
    assert.equal(count(), 1)
  })
  test('asks again for an app that was not there', async () => {
    const { identify, count } = asked([ana, { ...ana, apps: ['shop', 'new'] }])
    await identify('shop')
    assert.deepEqual((await identify('new'))?.apps, ['shop', 'new'])
    assert.equal(count(), 2)
  })
  test('remembers neither a no nor a fault', async () => {
    const { identify, count } = asked([undefined, new Error('down'), ana])
    assert.equal(await identify('shop'), undefined)
    await assert.rejects(identify('shop'), /down/)
    assert.deepEqual(await identify('shop'), ana)
    assert.equal(count(), 3)
  })
})
