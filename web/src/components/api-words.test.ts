// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { asCurl, asPython } from './api-words'

const call = { id: 1, method: 'POST', path: '/v1/tasks?x=1', contentType: 'application/json', headers: {}, body: `{"note":"it's"}` }

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

describe('writes', () => {
  const put = { ...call, method: 'PUT', headers: { 'if-match': '"7"' } }

  it('say what they depend on', () => {
    expect(asCurl(put, 'http://h')).toContain(`-H 'if-match: "7"'`)
    expect(asPython(put, 'http://h')).toContain(String.raw`"if-match": "\"7\""`)
  })

  it('give bodies that are no JSON as they are', () => {
    const form = { ...call, contentType: 'application/x-www-form-urlencoded', body: 'a=1' }
    expect(asPython(form, 'http://h')).toContain('content="a=1".encode()')
    expect(asPython(form, 'http://h')).toContain('"Content-Type": "application/x-www-form-urlencoded"')
  })

  it('name a file to send, and no presigned address', () => {
    const part = { ...call, contentType: null, body: null, sends: 'part' as const }
    expect(asCurl(part, 'http://h')).toBe('curl -sS -X PUT --upload-file part "$HV_PART_URL"')
    const stow = asCurl({ ...part, path: '/dicomweb/default/studies', sends: 'dicom' }, 'http://h')
    expect(stow).toContain('cat image.dcm')
    expect(stow).toContain('boundary=hv')
  })
})

describe('asPython', () => {
  it('gives the body as JSON', () => {
    expect(asPython(call, 'http://h')).toContain(String.raw`json=json.loads("{\"note\":\"it's\"}")`)
  })
})
