// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { asCurl, asPython } from './api-words'

const call = { id: 1, method: 'POST', path: '/v1/tasks?x=1', contentType: 'application/json', body: `{"note":"it's"}` }

describe('asCurl', () => {
  it('quotes what a shell would read', () => {
    const text = asCurl(call, 'http://h')
    expect(text).toContain(`-X POST 'http://h/v1/tasks?x=1'`)
    expect(text).toContain(String.raw`--data-raw '{"note":"it'\''s"}'`)
    expect(text).toContain('"Authorization: Bearer $HV_API_KEY"')
  })

  it('leaves method and body out of a GET', () => {
    expect(asCurl({ ...call, method: 'GET', body: null }, 'http://h')).toBe(
      `curl -sS 'http://h/v1/tasks?x=1' \\\n  -H "Authorization: Bearer $HV_API_KEY"`,
    )
  })
})

describe('asPython', () => {
  it('gives the body as JSON', () => {
    expect(asPython(call, 'http://h')).toContain(String.raw`json=json.loads("{\"note\":\"it's\"}")`)
  })
})
