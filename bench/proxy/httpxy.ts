import { Agent, createServer } from 'node:http'
import type { Socket } from 'node:net'
import { createProxyServer } from 'httpxy'
import { serve } from './node-peer.ts'

const proxy = createProxyServer({
  target: `http://127.0.0.1:${process.env['ORIGIN_PORT']}`,
  agent: new Agent({ keepAlive: true, maxSockets: 1000 }),
})
const server = createServer((request, response) => void proxy.web(request, response).catch(() => response.destroy()))
server.on('upgrade', (request, socket: Socket, head) => {
  socket.on('error', () => {})
  void proxy.ws(request, socket, {}, head).catch(() => socket.destroy())
})
serve(server)
