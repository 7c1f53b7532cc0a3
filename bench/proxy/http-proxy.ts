import { Agent, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import httpProxy from 'http-proxy'
import { measured } from './measured.ts'

const keepAlive = process.env['KEEP_ALIVE'] === 'yes'
const proxy = httpProxy.createProxyServer({
  target: `http://127.0.0.1:${process.env['ORIGIN_PORT']}`,
  ...(keepAlive ? { agent: new Agent({ keepAlive: true, maxSockets: 1000 }) } : {}),
})
proxy.on('error', () => {})
const server = createServer((request, response) => proxy.web(request, response))
server.listen(0, '127.0.0.1', () => measured((server.address() as AddressInfo).port))
