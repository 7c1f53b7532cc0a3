import type { FastifyInstance } from 'fastify'

/** For whoever asks whether the process lives (`/healthz`) and whether it may be given work (`/readiness`). */
export function healthRoutes(server: FastifyInstance, ready: () => readonly string[]): void {
  server.get('/healthz', async (_, reply) => reply.type('text/plain').send('OK'))
  server.get('/readiness', async (_, reply) => {
    const reasons = ready()
    return reasons.length === 0 ? reply.type('text/plain').send('OK') : reply.status(503).type('text/plain').send(reasons.join('\n'))
  })
  for (const url of ['/healthz', '/readiness']) {
    server.route({
      method: ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
      url,
      handler: async (request, reply) => reply.status(405).send({ detail: `Method "${request.method}" not allowed.` }),
    })
  }
}
