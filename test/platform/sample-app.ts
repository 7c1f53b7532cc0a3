/** An app without packages that tells its release, its process and a variable, and logs each request. */
export const SAMPLE_APP: Readonly<Record<string, string>> = {
  Procfile: 'web: node server.js\n',
  'package.json': JSON.stringify({ name: 'shop', version: '1.0.0', private: true }),
  'server.js': `const http = require('node:http')
const { PORT, HOSTNAME, WORKFLOW_RELEASE, GREETING = 'none' } = process.env
const server = http.createServer((request, response) => {
  if (request.url !== '/') console.log('asked for ' + request.url)
  response.end(JSON.stringify({ pod: HOSTNAME, release: WORKFLOW_RELEASE, greeting: GREETING }))
})
server.listen(PORT, () => console.log('listening'))
process.on('SIGTERM', () => server.close(() => process.exit(0)))
`,
}
