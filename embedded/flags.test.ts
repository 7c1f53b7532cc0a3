import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { FlagError, parseFlags } from './flags.ts'

suite('parseFlags()', () => {
  test('has a default for everything', () => {
    assert.deepEqual(parseFlags([], { HOME: '/home/ana' }), {
      home: '/home/ana/.local/share/drycc',
      httpPort: 8080,
      httpsPort: 8443,
      gitPort: 2222,
      kubePort: 6443,
      sample: true,
      help: false,
    })
  })

  test('prefers the command line to the environment', () => {
    const flags = parseFlags(['--http-port', '0', '--no-sample'], {
      DRYCC_HTTP_PORT: '80',
      DRYCC_HTTPS_PORT: '443',
      XDG_DATA_HOME: '/data',
    })
    assert.deepEqual([flags.httpPort, flags.httpsPort, flags.sample, flags.home], [0, 443, false, '/data/drycc'])
  })

  for (const args of [
    ['--http-port', 'x'],
    ['--http-port', '65536'],
    ['--http-port', '-1'],
    ['--port', '1'],
    ['serve'],
    ['--home'],
    ['--home='],
  ]) {
    test(`refuses ${args.join(' ')}`, () => assert.throws(() => parseFlags(args, {}), FlagError))
  }

  test('names the flags that want the same port', () => {
    assert.throws(() => parseFlags(['--http-port', '8443'], {}), /^FlagError: Cannot use port 8443 for --http-port and --https-port/)
    parseFlags(['--http-port', '0', '--https-port', '0'], {})
  })
})
