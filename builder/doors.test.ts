import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import ssh2 from 'ssh2'
import { pktLine } from './receive/pkt-line.ts'
import { run, TestBed } from './test-bed.ts'

suite('the SSH door', () => {
  let bed: TestBed
  before(async () => {
    bed = await TestBed.start({ BUILDER_CONNECTIONS_MAX: '12', BUILDER_AUTH_TIMEOUT: '20s' })
    await bed.addUser('ana', ['shop'])
  })
  after(() => bed.stop())

  const ssh = (...command: string[]) => run('ssh', [...bed.sshArguments('ana'), ...command])
  const ping = async () => assert.equal((await ssh('git@127.0.0.1', 'ping')).stdout, 'pong')

  test('answers ping, and refuses whatever is not git in words', async () => {
    await ping()
    const shell = await ssh('git@127.0.0.1')
    assert.equal(shell.code, 1)
    assert.match(shell.stderr, /There is no shell here/)
    const command = await ssh('git@127.0.0.1', 'cat /etc/passwd')
    assert.equal(command.code, 1)
    assert.match(command.stderr, /git push, git fetch and git clone only/)
    for (const line of [
      'git-receive-pack',
      "git-upload-archive 'shop.git'",
      "git-receive-pack 'shop.git'; id",
      "git-receive-pack 'shop.git' --exec=id",
    ]) {
      assert.equal((await ssh('git@127.0.0.1', line)).code, 1, line)
    }
    assert.notEqual((await ssh('-s', 'git@127.0.0.1', 'sftp')).code, 0)
  })

  test('forwards nothing', async () => {
    const out = await ssh('-W', `127.0.0.1:${bed.ports.http}`, 'git@127.0.0.1')
    assert.notEqual(out.code, 0)
    assert.match(out.stderr, /administratively prohibited|open failed/)
    const back = await ssh('-o', 'ExitOnForwardFailure=yes', '-R', '0:127.0.0.1:1', 'git@127.0.0.1', 'ping')
    assert.notEqual(back.code, 0)
    await ping()
  })

  test('takes no password', async () => {
    const answer = await ssh(
      '-o',
      'PubkeyAuthentication=no',
      '-o',
      'PreferredAuthentications=password,keyboard-interactive',
      'git@127.0.0.1',
      'ping',
    )
    assert.equal(answer.code, 255)
    assert.match(answer.stderr, /Permission denied \(publickey\)/)
  })

  test('takes every usual kind of key', async () => {
    for (const type of ['rsa', 'ecdsa', 'ed25519']) {
      const key = path.join(bed.root, `kind-${type}`)
      await run('ssh-keygen', ['-q', '-t', type, '-N', '', '-f', key])
      const { stdout } = await run('ssh-keygen', ['-l', '-E', 'md5', '-f', `${key}.pub`])
      bed.controlPlane.users.get('ana')!.fingerprints.push(/MD5:(\S+)/.exec(stdout)![1]!)
      const words = bed.sshArguments('ana').map(word => (word === bed.keyOf('ana') ? key : word))
      assert.equal((await run('ssh', [...words, 'git@127.0.0.1', 'ping'])).stdout, 'pong', type)
    }
  })

  test('shows the same host keys after a restart, and keeps them to itself', async () => {
    await ping()
    const directory = path.join(bed.home, 'host-keys')
    const names = (await readdir(directory)).sort()
    assert.deepEqual(names, ['ssh-host-ecdsa-key', 'ssh-host-ed25519-key', 'ssh-host-rsa-key'])
    const keys = await Promise.all(names.map(name => readFile(path.join(directory, name), 'utf8')))
    for (const name of names) assert.equal((await stat(path.join(directory, name))).mode & 0o777, 0o600)
    await chmod(path.join(directory, names[0]!), 0o644)
    await bed.stopBuilder()
    await bed.startBuilder()
    assert.deepEqual(await Promise.all(names.map(name => readFile(path.join(directory, name), 'utf8'))), keys)
    assert.equal((await stat(path.join(directory, names[0]!))).mode & 0o777, 0o600)
    for (const algorithm of ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'rsa-sha2-512']) {
      const words = bed.sshArguments('ana').map(word => (word.startsWith('UserKnownHostsFile=') ? 'UserKnownHostsFile=/dev/null' : word))
      const answer = await run('ssh', [...words, '-o', `HostKeyAlgorithms=${algorithm}`, 'git@127.0.0.1', 'ping'])
      assert.equal(answer.stdout, 'pong', `${algorithm}: ${answer.stderr}`)
    }
  })

  test('outlives clients that send garbage at any moment', async () => {
    const prefixes = [
      '',
      'SSH-2.0-x\r\n',
      'SSH-1.5-old\r\n',
      `SSH-2.0-${'x'.repeat(300)}\r\n`,
      'GET / HTTP/1.1\r\n\r\n',
      `SSH-2.0-x\r\n\0\0\0\x0c\x0a\x14`,
    ]
    for (const prefix of prefixes) {
      const socket = connect(bed.ports.ssh, '127.0.0.1')
      socket.on('error', () => {})
      await once(socket, 'connect')
      socket.write(Buffer.concat([Buffer.from(prefix, 'latin1'), randomBytes(40_000)]))
      socket.resume()
      socket.end()
      await once(socket, 'close')
    }
    await ping()
  })

  test('lets a newcomer in when strangers who say nothing hold every place', async () => {
    const strangers = Array.from({ length: 30 }, () => connect(bed.ports.ssh, '127.0.0.1').on('error', () => {}))
    await Promise.all(strangers.map(socket => once(socket, 'connect')))
    await ping()
    for (const socket of strangers) socket.destroy()
  })

  test('closes a client whose packets may hold nothing, and goes on serving others', async () => {
    const client = new ssh2.Client()
    const key = await readFile(bed.keyOf('ana'))
    client.on('error', () => {})
    client.connect({ host: '127.0.0.1', port: bed.ports.ssh, username: 'git', privateKey: key })
    await once(client, 'ready')
    // What the client announces for its channel stands in the request that opens it.
    const protocol = (client as unknown as { _protocol: { session(channel: number, window: number, packet: number): void } })._protocol
    const session = protocol.session.bind(protocol)
    protocol.session = (channel, window) => session(channel, window, 0)
    const closed = once(client, 'close')
    client.exec('ping', () => {})
    await closed
    await ping()
  })

  test('takes a push of fifty megabytes and gives it back, in bounded memory', async () => {
    const work = await bed.workTree({ 'big.bin': randomBytes(50 * 1024 ** 2) })
    const before = process.memoryUsage().rss
    const push = await bed.git('ana', work, '-c', 'core.compression=0', 'push', '-q', bed.sshUrl('shop'), 'main')
    assert.equal(push.code, 0, push.stderr)
    const grown = (process.memoryUsage().rss - before) / 1024 ** 2
    assert.ok(grown < 120, `${grown} MB`)
    const clone = await bed.git('ana', bed.root, 'clone', '-q', bed.sshUrl('shop'), 'big-clone')
    assert.equal(clone.code, 0, clone.stderr)
  })
})

suite('the HTTP door', () => {
  let bed: TestBed
  before(async () => {
    bed = await TestBed.start({ BUILDER_SOURCE_MAX: '3M' })
    await bed.addUser('ana', ['shop', 'chunked', 'large', 'busy'])
    await bed.addUser('bob', [])
  })
  after(() => bed.stop())

  const url = (rest: string) => `http://127.0.0.1:${bed.ports.http}/git/${rest}`
  const asAna = { authorization: `Basic ${Buffer.from('ana:ana-token').toString('base64')}` }

  test('takes a push and gives a clone', async () => {
    const work = await bed.workTree({ file: 'content' })
    const push = await bed.git('ana', work, 'push', bed.httpUrl('shop', 'ana'), 'main')
    assert.equal(push.code, 0, push.stderr)
    assert.match(push.stderr, /remote: Done, shop:v2 deployed to Workflow/)
    assert.match((await bed.git('ana', work, 'push', bed.httpUrl('shop', 'ana'), 'main')).stderr, /Everything up-to-date/)
    const clone = await bed.git('ana', bed.root, 'clone', '-q', bed.httpUrl('shop', 'ana'), 'http-clone')
    assert.equal(clone.code, 0, clone.stderr)
    assert.equal(await readFile(path.join(bed.root, 'http-clone/file'), 'utf8'), 'content')
  })

  test('asks the control plane once for a push, not for each of its requests', async () => {
    const before = bed.controlPlane.authentications
    const work = await bed.workTree({ file: 'other' })
    await bed.git('ana', work, 'push', '-f', bed.httpUrl('shop', 'ana'), 'main')
    assert.ok(bed.controlPlane.authentications - before <= 1)
  })

  test('takes a chunked push after its probe', async () => {
    const work = await bed.workTree({ file: randomBytes(100_000) })
    const push = await bed.git('ana', work, '-c', 'http.postBuffer=1000', 'push', bed.httpUrl('chunked', 'ana'), 'main')
    assert.equal(push.code, 0, push.stderr)
  })

  test('challenges who gives no or wrong credentials, and tells who may not', async () => {
    const nobody = await fetch(url('shop.git/info/refs?service=git-receive-pack'))
    assert.equal(nobody.status, 401)
    assert.match(nobody.headers.get('www-authenticate')!, /^Basic realm=/)
    const work = await bed.workTree({ file: '' })
    const wrong = await bed.git('ana', work, 'push', bed.httpUrl('shop', 'ana', 'guess'), 'main')
    assert.equal(wrong.code, 128)
    assert.match(wrong.stderr, /Authentication failed/)
    const stranger = await bed.git('bob', work, 'push', bed.httpUrl('shop', 'bob'), 'main')
    assert.equal(stranger.code, 128)
    assert.match(stranger.stderr, /fatal: remote error: No app "shop" that bob may use/)
  })

  test('does not keep the connection of a stranger who announces a body and sends none', async () => {
    const socket = connect(bed.ports.http, '127.0.0.1')
    socket.write('POST /git/shop.git/git-receive-pack HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n')
    let answer = ''
    socket.setEncoding('latin1').on('data', text => (answer += text))
    await once(socket, 'close')
    assert.match(answer, /^HTTP\/1\.1 401 /)
  })

  test('knows nothing but git', async () => {
    const statuses: Record<string, number> = {
      'shop.git/info/refs': 403,
      'shop.git/HEAD': 404,
      'shop.git/config': 404,
      '..%2fshop.git/info/refs?service=git-upload-pack': 404,
      'Shop.git/info/refs?service=git-upload-pack': 404,
      'shop.git/git-receive-pack': 405,
    }
    for (const [rest, status] of Object.entries(statuses)) assert.equal((await fetch(url(rest), { headers: asAna })).status, status, rest)
    const post = { method: 'POST', headers: { ...asAna, 'content-type': 'text/plain' }, body: 'x' }
    assert.equal((await fetch(url('shop.git/git-upload-pack'), post)).status, 415)
  })

  test('reads a body with gzip, and does not take a probe for a push', async () => {
    const sha = (await run('git', ['--git-dir', path.join(bed.home, 'repos/shop.git'), 'rev-parse', 'main'])).stdout.trim()
    const wants = Buffer.concat([pktLine(`want ${sha} ofs-delta\n`), Buffer.from('0000'), pktLine('done\n')])
    const headers = { ...asAna, 'content-type': 'application/x-git-upload-pack-request', 'content-encoding': 'gzip' }
    const pack = await fetch(url('shop.git/git-upload-pack'), { method: 'POST', headers, body: gzipSync(wants) })
    assert.match(await pack.text(), /^0008NAK\nPACK/)
    const broken = await fetch(url('shop.git/git-upload-pack'), { method: 'POST', headers, body: gzipSync(wants).subarray(0, 30) }).then(
      answer => answer.text(),
      () => '',
    )
    assert.doesNotMatch(broken, /PACK/)
    const probe = await fetch(url('shop.git/git-receive-pack'), {
      method: 'POST',
      headers: { ...asAna, 'content-type': 'application/x-git-receive-pack-request' },
      body: '0000',
    })
    assert.deepEqual([probe.status, await probe.text()], [200, ''])
  })

  test('refuses the second of two pushes, and frees the app when a client goes', async () => {
    const work = await bed.workTree({ hang: '' })
    const first = bed.startGit('ana', work, 'push', bed.httpUrl('busy', 'ana'), 'main')
    await first.said('hanging')
    const second = await bed.git('ana', work, 'push', bed.httpUrl('busy', 'ana'), 'main')
    assert.equal(second.code, 128)
    assert.match(second.stderr, /fatal: remote error: Another git push is ongoing/)
    // The second half of a push that had read the refs before the first took the lock.
    const late = await fetch(url('busy.git/git-receive-pack'), {
      method: 'POST',
      headers: { ...asAna, 'content-type': 'application/x-git-receive-pack-request' },
      body: '00000000',
    })
    assert.match(await late.text(), /\x03Another git push is ongoing/)
    process.kill(-first.child.pid!, 'SIGKILL')
    await first.ended
    const calm = await bed.workTree({ file: '' })
    let again = await bed.git('ana', calm, 'push', bed.httpUrl('busy', 'ana'), 'main')
    for (const until = performance.now() + 2000; again.code === 128 && performance.now() < until; ) {
      again = await bed.git('ana', calm, 'push', bed.httpUrl('busy', 'ana'), 'main')
    }
    assert.equal(again.code, 0, again.stderr)
  })

  test('names the largest files of a tree over the limit', async () => {
    const work = await bed.workTree({ 'small.txt': 'x', 'video.mp4': randomBytes(4 * 1024 ** 2) })
    const push = await bed.git('ana', work, 'push', bed.httpUrl('large', 'ana'), 'main')
    assert.equal(push.code, 1)
    assert.match(push.stderr, /remote: error: The app is larger than 3 MB/)
    assert.match(push.stderr, /4\.0 MB {2}video\.mp4/)
  })

  test('tells its health', async () => {
    const health = (rest: string) => fetch(`http://127.0.0.1:${bed.ports.health}/${rest}`)
    assert.equal((await health('healthz')).status, 200)
    assert.equal((await health('readiness')).status, 200)
    assert.match(await (await health('metrics')).text(), /builder_pushes_total\{result="deployed"\} \d/)
    bed.controlPlane.down = true
    assert.equal((await health('readiness')).status, 503)
    bed.controlPlane.down = false
  })

  test('sweeps at its start what a crash has left', async () => {
    await bed.stopBuilder()
    const left = path.join(bed.home, 'repos/shop.git/objects/tmp_objdir-incoming-x')
    await mkdir(left)
    await mkdir(path.join(bed.home, 'builds/shop-x'), { recursive: true })
    await mkdir(path.join(bed.home, 'repos/.new-x'))
    await writeFile(path.join(bed.home, 'repos/.new-x/HEAD'), '')
    await bed.startBuilder()
    assert.ok(!(await readdir(path.dirname(left))).includes('tmp_objdir-incoming-x'))
    assert.ok(!(await readdir(bed.home)).includes('builds'))
    assert.ok(!(await readdir(path.join(bed.home, 'repos'))).includes('.new-x'))
  })
})
