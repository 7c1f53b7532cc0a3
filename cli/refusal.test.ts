import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { refusal } from './refusal.ts'

const ADDRESS = 'http://drycc.example.com'

function told(status: number, body: unknown, headers: Record<string, string> = { 'content-type': 'application/json' }) {
  const { message, exitCode } = refusal(ADDRESS, { status, body, headers })
  return [message, exitCode]
}

suite('refusal()', () => {
  for (const [what, status, body, message] of [
    ['a detail', 409, { detail: 'ana changed nothing' }, 'ana changed nothing'],
    ['a bare text', 404, 'No App matches the given query.', 'No App matches the given query.'],
    ['messages of fields', 400, { id: ['too long', 'not nice'], key: ['empty'] }, 'id: too long not nice\nkey: empty'],
    ['messages of no field', 400, { non_field_errors: ['Unable to log in.'] }, 'Unable to log in.'],
    ['a list', 400, ['The address x is not valid'], 'The address x is not valid'],
    ['nested messages', 400, { values: [{ detail: 'odd' }] }, 'values: odd'],
    ['nothing', 500, undefined, 'The platform answered 500 Internal Server Error'],
    ['a failed check of the password', 401, { detail: 'Current password does not match' }, 'Current password does not match'],
  ] as const)
    test(`tells ${what}`, () => assert.deepEqual(told(status, body), [message, 1]))

  test('sends who is not logged in to the login', () =>
    assert.deepEqual(told(401, { detail: 'Invalid token.' }), [
      `Not logged in at ${ADDRESS}, or the login has ended: use drycc login ${ADDRESS}`,
      4,
    ]))

  const html = { 'content-type': 'text/html' }
  test('shows the title of a page, never the page', () =>
    assert.deepEqual(told(502, '<html><head><title>502 Bad\n Gateway</title></head><body>nginx</body></html>', html), [
      `${ADDRESS} cannot answer now: 502 Bad Gateway`,
      3,
    ]))

  test('names the status of a page without a title', () =>
    assert.deepEqual(told(503, '<p>down</p>', html), [`${ADDRESS} cannot answer now: 503 Service Unavailable`, 3]))

  test('knows an address without an API by its 404', () =>
    assert.deepEqual(told(404, '404 Not Found\nThere is no app at this address (R10)\n', { 'content-type': 'text/plain' }), [
      `There is no API of a platform at ${ADDRESS} (404 Not Found, There is no app at this address (R10))`,
      3,
    ]))

  test('follows no redirect, and says where it leads', () =>
    assert.deepEqual(told(301, '', { location: 'https://drycc.example.com/v2/apps/' }), [
      `${ADDRESS} sends on to https://drycc.example.com: use drycc login https://drycc.example.com`,
      3,
    ]))

  test('says when to try again', () =>
    assert.deepEqual(told(429, { detail: 'Too many tries' }, { 'content-type': 'application/json', 'retry-after': '30' }), [
      'Too many tries: try again in 30 s',
      1,
    ]))

  test('keeps a long text short', () => assert.ok(String(told(500, 'x'.repeat(1e6), { 'content-type': 'text/plain' })[0]).length < 3000))
})
