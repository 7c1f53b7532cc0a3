const http = require('node:http')
const { readFileSync } = require('node:fs')
const { join } = require('node:path')

const { PORT = '5000', WORKFLOW_RELEASE = 'v0', HOSTNAME = '', POWERED_BY = 'Drycc Workflow' } = process.env
const page = readFileSync(join(__dirname, 'page.html'), 'utf8')

const server = http.createServer((request, response) => {
  console.log(`${request.method} ${request.url}`)
  const values = { release: WORKFLOW_RELEASE, process: HOSTNAME, powered: POWERED_BY }
  response.setHeader('content-type', 'text/html; charset=utf-8')
  response.end(page.replace(/\{(\w+)\}/g, (_, name) => escape(values[name] ?? '')))
})

server.listen(PORT, () => console.log(`listening on ${PORT}`))
process.on('SIGTERM', () => server.close(() => process.exit(0)))

function escape(text) {
  return text.replace(/[&<>"]/g, character => `&#${character.charCodeAt(0)};`)
}
