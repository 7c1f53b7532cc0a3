import type { AddressInfo } from 'node:net'
import httpProxy from '@fastify/http-proxy'
import fastify from 'fastify'

const app = fastify()
await app.register(httpProxy, { upstream: `http://127.0.0.1:${process.env['ORIGIN_PORT']}`, websocket: true })
await app.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
process.send?.({ port: (app.server.address() as AddressInfo).port })
process.on('disconnect', () => process.exit(0))
