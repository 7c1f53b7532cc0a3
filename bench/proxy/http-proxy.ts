import { Agent, createServer } from 'node:http'
import httpProxy from 'http-proxy'
import { serve } from './node-peer.ts'

const keepAlive = process.env['KEEP_ALIVE'] === 'yes'
const proxy = httpProxy.createProxyServer({
  target: `http://127.0.0.1:${process.env['ORIGIN_PORT']}`,
  ...(keepAlive ? { agent: new Agent({ keepAlive: true, maxSockets: 1000 }) } : {}),
})
proxy.on('error', () => {})
const server = createServer((request, response) => proxy.web(request, response))
server.on('upgrade', (request, socket, head) => {
  socket.on('error', () => {})
  proxy.ws(request, socket, head)
})
serve(server)
