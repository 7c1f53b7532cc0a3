import { silentLog } from '../../kernel/log.ts'
import { createServer } from '../../router/serve/server.ts'
import { DEFAULT_POLICY, DEFAULT_SETTINGS, endpoint, type Route, type RouteTable } from '../../router/table/route.ts'
import { measured } from './measured.ts'

const app: Route = {
  app: 'app',
  namespace: 'app',
  service: 'app',
  policy: { ...DEFAULT_POLICY, bodyBytesMax: 0 },
  endpoints: [endpoint('127.0.0.1', Number(process.env['ORIGIN_PORT']))],
  locations: [],
}
const table: RouteTable = { match: host => (host === 'app.test' ? app : undefined), git: undefined, settings: DEFAULT_SETTINGS, version: 1 }
const accessLog = process.env['ACCESS_LOG'] === 'classic' ? 'classic' : 'off'
const server = createServer({ table: () => table, log: silentLog, accessLog })
measured(await server.listenHttp(0, '127.0.0.1'))
