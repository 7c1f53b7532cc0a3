import type { ServerResponse } from 'node:http'

/** Sends a text as JSON, or as what `type` says. */
export function sendJson(response: ServerResponse, code: number, body: string, type = 'application/json'): void {
  response.setHeader('content-type', type)
  sendBody(response, code, body)
}

/** Sends plain text. */
export function sendText(response: ServerResponse, code: number, body: string): void {
  response.setHeader('content-type', 'text/plain; charset=utf-8')
  sendBody(response, code, body)
}

/** Sends a text whose type has been set. */
export function sendBody(response: ServerResponse, code: number, body: string): void {
  response.setHeader('cache-control', 'no-cache, private')
  response.setHeader('content-length', Buffer.byteLength(body))
  response.writeHead(code)
  response.end(body)
}
