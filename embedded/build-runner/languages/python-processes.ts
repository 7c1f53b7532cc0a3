import { BuildFailure } from '../failure.ts'
import type { SourceTree } from '../source-tree.ts'

const MODULES = ['app', 'main', 'wsgi', 'asgi', 'server', 'application']

/**
 * How a Python app starts without a Procfile: known by its framework and the server among its dependencies.
 *
 * @throws {BuildFailure} when it cannot be told and there is no Procfile
 */
export function pythonProcesses(tree: SourceTree, hasProcfile: boolean): Record<string, string> {
  const line = django(tree) ?? framework(tree)
  if (line !== undefined) return { web: line }
  if (hasProcfile) return {}
  throw new BuildFailure('Cannot tell how this app starts', 'add a Procfile with a line such as web: gunicorn app:app --bind 0.0.0.0:$PORT')
}

function django(tree: SourceTree): string | undefined {
  if (!tree.has('manage.py')) return undefined
  const [, project] = /DJANGO_SETTINGS_MODULE['"],\s*['"](\w+)\./.exec(tree.read('manage.py') ?? '') ?? []
  if (project && needs(tree, 'gunicorn')) return `gunicorn ${project}.wsgi --bind 0.0.0.0:$PORT`
  return 'python3 manage.py runserver --noreload 0.0.0.0:$PORT'
}

function framework(tree: SourceTree): string | undefined {
  for (const module of MODULES) {
    const [, name, kind] = /^(\w+)\s*(?::[^=\n]+)?=\s*(FastAPI|Starlette|Flask|Quart|Bottle)\(/m.exec(tree.read(`${module}.py`) ?? '') ?? []
    if (!name) continue
    const isAsync = kind !== 'Flask' && kind !== 'Bottle'
    if (isAsync && needs(tree, 'uvicorn')) return `uvicorn ${module}:${name} --host 0.0.0.0 --port $PORT`
    if (!isAsync && needs(tree, 'gunicorn')) return `gunicorn ${module}:${name} --bind 0.0.0.0:$PORT`
    if (kind === 'FastAPI' && /fastapi\[(?:standard|all)\]/.test(dependencies(tree))) return `fastapi run ${module}.py --port $PORT`
    if (kind === 'Flask') return `flask --app ${module}:${name} run --host 0.0.0.0 --port $PORT`
  }
  return undefined
}

function needs(tree: SourceTree, name: string): boolean {
  return new RegExp(`(?:^|["'\\s])${name}(?![\\w-])`, 'im').test(dependencies(tree))
}

function dependencies(tree: SourceTree): string {
  return ['requirements.txt', 'pyproject.toml', 'setup.py'].map(name => tree.read(name) ?? '').join('\n')
}
