import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { NotPlain } from './der-cursor.ts'
import { readPemBlock } from './pem-block.ts'

suite('readPemBlock()', () => {
  for (const length of [1, 2, 3, 47, 48, 49, 96, 1000])
    for (const lineEnd of ['\n', '\r\n'])
      test(`reads ${length} octets in lines that end with ${JSON.stringify(lineEnd)}`, () => {
        const text = pem(length, lineEnd)
        const first = readPemBlock(`${text}${lineEnd} ${text}`, 0)
        assert.equal(first?.label, 'THING')
        assert.deepEqual(first.bytes(), octets(length))
        assert.equal(first.text, text.trimEnd())
        const second = readPemBlock(`${text}${lineEnd} ${text}`, first.next)
        assert.deepEqual(second?.bytes(), octets(length))
        assert.equal(second.next, 2 * text.length + lineEnd.length + 1)
      })

  for (const [name, text] of Object.entries({
    nothing: '',
    'words before it': `Subject: me\n${pem(60)}`,
    'no end': pem(60).slice(0, -20),
    'the end of another thing': pem(60).replace('END THING', 'END OTHER'),
    'a label without its end': '-----BEGIN THING',
  }))
    test(`finds none in ${name}`, () => assert.equal(readPemBlock(text, 0), undefined))

  for (const [name, text] of Object.entries({
    'one long line': pem(60, ''),
    'lines of 60 characters': pem(100).replace(/(.{60})(.{4})\n/, '$1\n$2'),
    'an empty line': pem(100).replace('\n', '\n\n'),
    'a blank in a line': pem(100).replace(/(?<=\n.{10})./, ' '),
    'a character that is none of base64': pem(100).replace(/(?<=\n.{10})./, '*'),
    'one of base64 for addresses': pem(100).replace(/(?<=\n.{10})./, '_'),
    'an end in the middle': pem(100).replace(/(?<=\n.{10})./, '='),
    'two kinds of line ends': pem(100, '\r\n').replace('\r\n-----END', '\n-----END'),
  }))
    test(`refuses ${name}`, () => assert.throws(() => readPemBlock(text, 0)?.bytes(), NotPlain))
})

function octets(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (index * 7) & 0xff))
}

function pem(length: number, lineEnd = '\n'): string {
  const lines =
    octets(length)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return ['-----BEGIN THING-----', ...lines, '-----END THING-----', ''].join(lineEnd)
}
