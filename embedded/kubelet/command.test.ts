import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { buildCommand, findExecutable, StartError } from './command.ts'

const container = { name: 'web' }

suite('buildCommand()', () => {
  const image = { entrypoint: ['/entry'], command: ['serve'] }
  test('follows the table of Kubernetes', () => {
    assert.deepEqual(buildCommand(container, image, {}), ['/entry', 'serve'])
    assert.deepEqual(buildCommand({ ...container, args: ['a'] }, image, {}), ['/entry', 'a'])
    assert.deepEqual(buildCommand({ ...container, command: ['c'] }, image, {}), ['c'])
    assert.deepEqual(buildCommand({ ...container, command: ['c'], args: ['a'] }, image, {}), ['c', 'a'])
  })
  test('expands variables of the pod in every word', () =>
    assert.deepEqual(buildCommand({ ...container, command: ['$(X)'], args: ['$$(X)', '$(NO)'] }, {}, { X: 'x' }), ['x', '$(X)', '$(NO)']))
  test('runs a process of the image by its type', () => {
    const processes = { web: 'node server.js', worker: 'node worker.js' }
    assert.deepEqual(buildCommand(container, { processes }, {}), ['/bin/sh', '-c', 'node server.js'])
    assert.deepEqual(buildCommand({ ...container, args: ['worker'] }, { processes }, {}), ['/bin/sh', '-c', 'node worker.js'])
    assert.deepEqual(buildCommand({ ...container, args: ['start', 'worker'] }, { processes }, {}), ['/bin/sh', '-c', 'node worker.js'])
    assert.deepEqual(buildCommand({ ...container, args: ['ls', '-l'] }, { processes }, {}), ['ls', '-l'])
  })
  test('throws when there is nothing to run', () => assert.throws(() => buildCommand(container, {}, {}), /no command specified/))
})

suite('findExecutable()', () => {
  let dir: string
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'drycc-command-'))
    await mkdir(join(dir, 'bin/folder'), { recursive: true })
    await writeFile(join(dir, 'bin/tool'), '')
    await writeFile(join(dir, 'bin/data'), '')
    await chmod(join(dir, 'bin/tool'), 0o755)
    await chmod(join(dir, 'bin/data'), 0o644)
  })
  after(() => rm(dir, { recursive: true }))
  test('looks through PATH, also relative to the working directory', () => {
    assert.equal(findExecutable('tool', '/', `/none:${join(dir, 'bin')}`), join(dir, 'bin/tool'))
    assert.equal(findExecutable('tool', dir, 'bin'), join(dir, 'bin/tool'))
  })
  test('takes a path from the working directory', () => {
    assert.equal(findExecutable('./bin/tool', dir, ''), join(dir, 'bin/tool'))
    assert.equal(findExecutable(join(dir, 'bin/tool'), '/', ''), join(dir, 'bin/tool'))
  })
  for (const [name, message] of [
    ['none', /"none": executable file not found in \$PATH/],
    ['bin/none', /"bin\/none": relative to the working directory, no such file or directory/],
    ['bin/data', /"bin\/data": permission denied/],
    ['data', /"data": permission denied/],
    ['folder', /"folder": permission denied/],
  ] as const)
    test(`refuses ${name}`, () =>
      assert.throws(
        () => findExecutable(name, dir, 'bin'),
        error => error instanceof StartError && message.test(error.message),
      ))
})
