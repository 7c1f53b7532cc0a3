import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { CONTAINER_ID_VARIABLE, ContainerProcess, type ProcessExit, type ProcessHandle } from './container-process.ts'
import { findByEnvironment, identifyProcess } from './process-table.ts'

suite('ContainerProcess', () => {
  let dir: string
  let count = 0
  before(async () => (dir = await mkdtemp(join(tmpdir(), 'drycc-process-'))))
  after(() => rm(dir, { recursive: true, force: true }))

  const start = async (script: string, id = `test-${process.pid}-${count++}`) => {
    const heard = listen()
    const container = await ContainerProcess.start(
      { id, argv: ['/bin/sh', '-c', script], cwd: dir, env: { PATH: process.env['PATH'] ?? '' }, fifoDir: join(dir, id) },
      heard.listener,
      () => {},
    )
    return { container, heard }
  }

  test('hands on both streams and the exit code', async () => {
    const { container, heard } = await start('echo out; echo err >&2; exit 7')
    const exit = await container.exited
    assert.deepEqual([exit.exitCode, exit.isLost, heard.text('stdout'), heard.text('stderr')], [7, false, 'out\n', 'err\n'])
    assert.deepEqual(await readdir(dir), [])
  })

  test('reads everything that came right before the end', async () => {
    const { container, heard } = await start('i=0; while [ $i -lt 2000 ]; do echo "line $i of many that fill the pipe"; i=$((i+1)); done')
    await container.exited
    assert.equal(heard.text('stdout').split('\n').length, 2001)
  })

  test('reports a signal as 128 and its number, without a word in the output', async () => {
    const { container, heard } = await start('echo up; exec sleep 1000')
    await heard.until('up')
    container.signal('SIGTERM')
    assert.equal((await container.exited).exitCode, 143)
    assert.equal(heard.text('stderr'), '')
  })

  test('signals the whole group, and the command may take its time', async () => {
    const { container, heard } = await start('trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.05; done')
    await heard.until('up')
    container.signal('SIGTERM')
    assert.equal((await container.exited).exitCode, 3)
    assert.equal(heard.text('stdout'), 'up\nbye\n')
  })

  test('kills grandchildren with the main process, also one in a session of its own', async () => {
    const { container, heard } = await start('sleep 1000 & setsid sleep 1000 & (setsid sleep 1000 &) ; echo up; read x')
    await container.exited
    assert.equal(heard.text('stdout'), 'up\n')
    assert.deepEqual([...findByEnvironment(CONTAINER_ID_VARIABLE, container.id).keys()], [])
    assert.equal(identifyProcess(container.pid), undefined)
  })

  test('kill() ends a command that heeds no signal', async () => {
    const { container, heard } = await start('trap "" TERM; echo up; while :; do sleep 0.05; done')
    await heard.until('up')
    container.signal('SIGTERM')
    container.kill()
    assert.equal((await container.exited).exitCode, 137)
  })

  test('gives the command nothing of the kubelet: no descriptor, no variable', async () => {
    const { container, heard } = await start('for fd in /proc/self/fd/*; do readlink "$fd"; done; echo --; env')
    await container.exited
    const [descriptors = '', variables = ''] = heard.text('stdout').split('--\n')
    assert.doesNotMatch(descriptors, /status/)
    const names = variables.split('\n').map(line => line.split('=')[0]!)
    assert.deepEqual(names.filter(name => !['OLDPWD', 'PWD', 'SHLVL', '_', ''].includes(name)).sort(), [CONTAINER_ID_VARIABLE, 'PATH'])
  })

  test('throws when the folder is not there', async () => {
    await assert.rejects(
      ContainerProcess.start(
        { id: 'x', argv: ['/bin/true'], cwd: join(dir, 'none'), env: {}, fifoDir: join(dir, 'fifos-x') },
        listen().listener,
        () => {},
      ),
      { code: 'ENOENT' },
    )
    await rm(join(dir, 'fifos-x'), { recursive: true })
  })

  suite('after the kubelet was killed', () => {
    /** Starts a container in another process and kills that process once the container is up. */
    const abandon = async (script: string): Promise<ProcessHandle> => {
      const id = `test-${process.pid}-${count++}`
      const source = `
        import { ContainerProcess } from ${JSON.stringify(new URL('container-process.ts', import.meta.url).href)}
        const [script, id, fifoDir] = process.argv.slice(1)
        const spec = { id, argv: ['/bin/sh', '-c', script], cwd: '/', env: { PATH: process.env.PATH }, fifoDir }
        let handle
        await ContainerProcess.start(spec, { output: () => process.stdout.write(JSON.stringify(handle)), ended() {} }, h => (handle = h))`
      const kubelet = spawn(process.execPath, ['--input-type=module', '-e', source, '--', script, id, join(dir, id)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const [handle] = (await once(kubelet.stdout, 'data')) as [Buffer]
      kubelet.kill('SIGKILL')
      await once(kubelet, 'exit')
      return JSON.parse(handle.toString()) as ProcessHandle
    }

    test('the command goes on, and its later output and exit code are heard', async () => {
      const handle = await abandon('echo up; sleep 0.3; echo later; echo oops >&2; exit 5')
      const heard = listen()
      const container = ContainerProcess.adopt(handle, heard.listener)!
      assert.equal((await container.exited).exitCode, 5)
      assert.deepEqual([heard.text('stdout'), heard.text('stderr')], ['later\n', 'oops\n'])
    })

    test('what ended meanwhile is heard too', async () => {
      const handle = await abandon(`echo up; sleep 0.1; echo last words; echo $$ > ${dir}/ended; exit 9`)
      await condition(async () => (await readdir(dir)).includes('ended') && commandHasEnded(handle))
      const heard = listen()
      const container = ContainerProcess.adopt(handle, heard.listener)!
      const exit = await container.exited
      assert.deepEqual([exit.exitCode, exit.isLost, heard.text('stdout')], [9, false, 'last words\n'])
      await rm(join(dir, 'ended'))
    })

    test('a container whose shim has gone is lost, and what is left of it is killed', async () => {
      const handle = await abandon('echo up; sleep 1000')
      process.kill(handle.pid, 'SIGKILL')
      await condition(() => identifyProcess(handle.pid) === undefined)
      assert.equal(ContainerProcess.adopt(handle, listen().listener), undefined)
      await condition(() => findByEnvironment(CONTAINER_ID_VARIABLE, handle.id).size === 0)
      await rm(handle.fifoDir, { recursive: true })
    })

    test('a shim killed later is reported as lost', async () => {
      const handle = await abandon('echo up; sleep 1000')
      const container = ContainerProcess.adopt(handle, listen().listener)!
      process.kill(handle.pid, 'SIGKILL')
      const exit = await container.exited
      assert.deepEqual([exit.exitCode, exit.isLost], [137, true])
    })

    test('another process with the same id is not taken over', async () => {
      const handle = await abandon('echo up; sleep 1000')
      assert.equal(ContainerProcess.adopt({ ...handle, identity: 'other' }, listen().listener), undefined)
      await condition(() => identifyProcess(handle.pid) === undefined)
      await rm(handle.fifoDir, { recursive: true })
    })
  })
})

function commandHasEnded(handle: ProcessHandle): boolean {
  return findByEnvironment(CONTAINER_ID_VARIABLE, handle.id).size === 1
}

function listen() {
  const streams = { stdout: '', stderr: '' }
  const waiting = new Set<() => void>()
  const exits: ProcessExit[] = []
  return {
    text: (stream: 'stdout' | 'stderr') => streams[stream],
    listener: {
      output: (stream: 'stdout' | 'stderr', bytes: Buffer) => {
        streams[stream] += bytes
        for (const wake of waiting) wake()
      },
      ended: (exit: ProcessExit) => void exits.push(exit),
    },
    until: async (text: string) => {
      while (!streams.stdout.includes(text)) await new Promise<void>(resolve => waiting.add(resolve))
    },
  }
}

/** Waits for something that no event tells. */
async function condition(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise(resolve => setTimeout(resolve, 5))
}
