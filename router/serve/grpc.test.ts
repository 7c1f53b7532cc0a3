import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseRequestHead, type RequestHead } from '../http1/request-head.ts'
import { ERRORS, type ErrorCode } from './errors.ts'
import { grpcErrorFields, isGrpc } from './grpc.ts'
import { DEFAULT_LIMITS } from './limits.ts'

const typed = (type: string) =>
  parseRequestHead(`POST / HTTP/1.1\r\nHost: a\r\n${type === '' ? '' : `Content-Type: ${type}\r\n`}\r\n`, DEFAULT_LIMITS) as RequestHead

suite('isGrpc()', () => {
  for (const [type, expected] of [
    ['application/grpc', true],
    ['application/grpc+proto', true],
    ['Application/GRPC ; charset=x', true],
    ['application/grpc-web', false],
    ['application/grpc-web+proto', false],
    ['application/grpcx', false],
    ['text/plain', false],
    ['', false],
  ] as const) {
    test(`${type === '' ? 'no type' : type}: ${expected}`, () => assert.equal(isGrpc(typed(type)), expected))
  }
})

suite('grpcErrorFields()', () => {
  // gRPC, http-grpc-status-mapping.md.
  for (const [code, status] of [
    ['R40', 13],
    ['R14', 16],
    ['R12', 7],
    ['R10', 12],
    ['R15', 14],
    ['R33', 14],
    ['R20', 14],
    ['R32', 14],
    ['R43', 2],
    ['R50', 2],
  ] as const) {
    test(`${code}, ${ERRORS[code].status}: ${status}`, () =>
      assert.match(grpcErrorFields(code), new RegExp(`\\r\\ngrpc-status: ${status}\\r\\n`)))
  }
  test('the message is visible ASCII, the rest percent-encoded UTF-8, for each code', () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const message = /\r\ngrpc-message: ([^\r]*)\r\n$/.exec(grpcErrorFields(code))?.[1] ?? ''
      assert.match(message, /^(?:[ -$&-~]|%[0-9A-F]{2})+$/)
      assert.equal(decodeURIComponent(message), `${ERRORS[code].text} (${code})`)
    }
  })
})
