import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { renderPage, templatePage } from './page.ts'

const EVIL = `"><script>alert('1')</script>\r\n\u001b[31m\u2028 & \``
const VALUES = {
  ...{ code: 'R20', status: '503', title: 'Service Unavailable', detail: 'Nothing runs – nowhere', fault: 'app', advice: 'Wait' },
  request_id: EVIL,
}

suite('renderPage()', () => {
  test('fills placeholders, blanks within the braces or not, and leaves other braces alone', () =>
    assert.equal(
      renderPage(templatePage('text', '{{code}} {{ status }}{{title}} {{unknown}} {code} {{'), VALUES),
      'R20 503Service Unavailable {{unknown}} {code} {{',
    ))
  test('fills each of many', () => assert.equal(renderPage(templatePage('html', '{{code}}'.repeat(3)), VALUES), 'R20R20R20'))
  test('does not look for placeholders in what it filled in', () =>
    assert.equal(renderPage(templatePage('text', '{{request_id}}'), { ...VALUES, request_id: '{{code}}' }), '{{code}}'))
  test('writes UTF-8', () => {
    const page = templatePage('html', 'Straße {{detail}}')
    assert.equal(Buffer.from(renderPage(page, VALUES), 'latin1').toString('utf8'), 'Straße Nothing runs – nowhere')
  })
  test('lets no value become HTML', () =>
    assert.doesNotMatch(renderPage(templatePage('html', '{{request_id}}'), VALUES), /[<>"'`]|&(?!#\d+;)/))
  test('lets no value leave a string of JSON', () => {
    const text = Buffer.from(renderPage(templatePage('json', '{"id":"{{request_id}}"}'), VALUES), 'latin1').toString('utf8')
    assert.deepEqual(JSON.parse(text), { id: EVIL })
    assert.doesNotMatch(text, /<|\u2028/)
  })
  test('lets no value control a terminal', () =>
    assert.equal(renderPage(templatePage('text', '{{request_id}}'), { ...VALUES, request_id: 'a\r\n\u001b[31mb' }), 'a   [31mb'))
})
