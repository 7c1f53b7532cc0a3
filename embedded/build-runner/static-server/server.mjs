// The web server of apps that are plain files: node server.mjs FOLDER [--single]. It listens on PORT, answers with ETags, ranges and
// precompressed .br and .gz files, and with --single gives the index for paths that are no files.
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'
import sirv from 'sirv'

const [folder = '.', ...flags] = process.argv.slice(2)
const root = path.resolve(folder)
const notFoundPage = path.join(root, '404.html')
const serve = sirv(root, {
  etag: true,
  gzip: true,
  brotli: true,
  single: flags.includes('--single'),
  setHeaders: (response, pathname) => {
    // Files whose name carries a hash never change; all others are asked for again, which an ETag makes cheap.
    const isHashed =
      /[.-][0-9a-zA-Z_-]{8,}\.(?:js|css|woff2?|png|jpe?g|svg|webp|avif)$/.test(pathname) && /\/(?:assets|static|_next)\//.test(pathname)
    response.setHeader('cache-control', isHashed ? 'public, max-age=31536000, immutable' : 'no-cache')
  },
})

const server = createServer((request, response) => {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end('Method not allowed\n')
    return
  }
  serve(request, response, () => {
    response.statusCode = 404
    if (request.url !== '/404.html' && existsSync(notFoundPage)) {
      request.url = '/404.html'
      const end = response.writeHead.bind(response)
      response.writeHead = (_status, headers) => end(404, headers)
      serve(request, response, () => response.end('Not found\n'))
      return
    }
    response.setHeader('content-type', 'text/plain; charset=utf-8')
    response.end('Not found\n')
  })
})

server.keepAliveTimeout = 75_000
server.listen(Number(process.env.PORT ?? 5000), () => console.log(`serving ${folder} on port ${server.address().port}`))
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    server.close(() => process.exit(0))
    server.closeIdleConnections()
  })
}
