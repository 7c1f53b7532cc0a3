import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { SecondLook } from './second-look.ts'

suite('SecondLook', () => {
  const turn = () => new Promise(setImmediate)

  test('calls each in the second turn after it has asked, those of one turn in their order', async () => {
    const looks = new SecondLook()
    const seen: string[] = []
    const ask = (name: string) => looks.after({ looked: () => seen.push(name) })
    ask('a')
    ask('b')
    await turn()
    assert.deepEqual(seen, [])
    ask('c')
    await turn()
    assert.deepEqual(seen, ['a', 'b'])
    await turn()
    assert.deepEqual(seen, ['a', 'b', 'c'])
    await turn()
    ask('d')
    await turn()
    assert.equal(seen.length, 3)
    await turn()
    assert.equal(seen.at(-1), 'd')
  })

  test('takes who asks again while it is called', async () => {
    const looks = new SecondLook()
    let count = 0
    const looker = {
      looked: () => {
        if (++count < 3) looks.after(looker)
      },
    }
    looks.after(looker)
    for (let index = 0; index < 8; index++) await turn()
    assert.equal(count, 3)
  })
})
