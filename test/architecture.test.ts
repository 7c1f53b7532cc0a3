import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { suite, test } from 'node:test'

const ROOT = join(import.meta.dirname, '..')
const COMPONENTS = ['kernel', 'router', 'control-plane', 'builder', 'logger', 'embedded', 'cli', 'bench', 'test'] as const
type Component = (typeof COMPONENTS)[number]

/** Who may import whom. Components meet in Kubernetes objects and HTTP; only tests and benchmarks compose them in one process. */
const MAY_IMPORT: Readonly<Record<Component, readonly Component[]>> = {
  kernel: [],
  router: ['kernel'],
  'control-plane': ['kernel'],
  builder: ['kernel'],
  logger: ['kernel'],
  cli: ['kernel'],
  embedded: ['kernel'],
  bench: [...COMPONENTS],
  test: [...COMPONENTS],
}

/** Which file or folder knows a library, tests aside; a library that is not named here must be added with its place. */
const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  '@clack/prompts': ['cli/'],
  '@fastify/http-proxy': ['bench/'],
  '@kubernetes/client-node': ['kernel/kubernetes/credentials.ts', 'control-plane/api/'],
  '@peculiar/x509': ['kernel/'],
  '@prometheus-io/client': ['kernel/metrics.ts'],
  commander: ['cli/'],
  fastify: ['control-plane/', 'logger/', 'bench/'],
  'http-proxy': ['control-plane/api/', 'bench/'],
  httpxy: ['bench/'],
  'kubernetes-types': [''],
  'lru-cache': ['router/tls/', 'control-plane/', 'builder/'],
  'node-forge': ['kernel/x509.ts'],
  re2js: ['router/table/'],
  'reflect-metadata': ['kernel/signing-request.ts'],
  sirv: ['embedded/build-runner/'],
  ssh2: ['builder/receive/'],
  'tar-stream': ['builder/', 'embedded/'],
  undici: ['kernel/http.ts', 'kernel/kubernetes/client.ts'],
  yaml: ['kernel/', 'embedded/', 'builder/'],
}

suite('architecture', () => {
  const files = globSync(`{${COMPONENTS.join(',')}}/**/*.{ts,mjs}`, { cwd: ROOT }).filter(file => !/testdata|sample/.test(file))
  const imports = files.flatMap(file => importsOf(file).map(target => ({ file, target })))

  test('there is code to look at', () => assert.ok(files.length > 20))

  test('a component imports only what it may', () => {
    const wrong = imports.filter(({ file, target }) => {
      if (!target.startsWith('.')) return false
      const from = componentOf(file)
      const to = componentOf(normalize(join(dirname(file), target)))
      return to !== from && !(to && MAY_IMPORT[from!].includes(to)) && !file.endsWith('.test.ts')
    })
    assert.deepEqual(wrong, [])
  })

  test('tests beside the source import no other component either, but kernel', () => {
    const wrong = imports.filter(({ file, target }) => {
      if (!target.startsWith('.') || !file.endsWith('.test.ts')) return false
      const from = componentOf(file)!
      const to = componentOf(normalize(join(dirname(file), target)))!
      return to !== from && !MAY_IMPORT[from].includes(to)
    })
    assert.deepEqual(wrong, [])
  })

  test('every relative import names its file with its ending', () => {
    const wrong = imports.filter(({ target }) => target.startsWith('.') && !/\.(ts|mjs|json)$/.test(target))
    assert.deepEqual(wrong, [])
  })

  test('a library is known to its place only', () => {
    const wrong = imports.filter(({ file, target }) => {
      if (/^(\.|node:)/.test(target) || file.endsWith('.test.ts') || file.startsWith('test/')) return false
      const library = target.startsWith('@') ? target.split('/').slice(0, 2).join('/') : target.split('/')[0]!
      return !LIBRARIES[library]?.some(place => file.startsWith(place))
    })
    assert.deepEqual(wrong, [])
  })

  test('every library of package.json has its place', () => {
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { dependencies: Record<string, string> }
    assert.deepEqual(
      Object.keys(dependencies).filter(name => !(name in LIBRARIES)),
      [],
    )
    assert.ok(
      Object.values(dependencies).every(version => /^\d/.test(version)),
      'pinned exactly',
    )
  })

  test('no file is a drawer for everything, and none only re-exports', () => {
    assert.deepEqual(
      files.filter(file => /(^|\/)(utils?|helpers?|types|common|misc|manager|index)(\/|\.ts$)/.test(file)),
      [],
    )
  })

  test('no file names the folder in which it was written', () => {
    const { stdout } = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' })
    const wrong = stdout.split('\n').filter(file => /\.(ts|mjs|json|md|ya?ml|sh)$/.test(file) && read(file).includes(`${ROOT}/`))
    assert.deepEqual(wrong, [])
  })
})

/** Empty for a file that is in git's index but no longer in the folder. */
function read(file: string): string {
  return existsSync(join(ROOT, file)) ? readFileSync(join(ROOT, file), 'utf8') : ''
}

function componentOf(path: string): Component | undefined {
  return COMPONENTS.find(component => path.startsWith(`${component}/`))
}

function importsOf(file: string): string[] {
  const source = readFileSync(join(ROOT, file), 'utf8')
  return [...source.matchAll(/^\s*(?:import|export)\b[^'"]*?from\s+'([^']+)'|^\s*import\s+'([^']+)'|\bimport\('([^']+)'\)/gm)].map(
    match => match[1] ?? match[2] ?? match[3]!,
  )
}
