// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it } from 'vitest'
import { callsAhead, clearCalls, note, noteBytes, useRecorder, withoutSecrets } from './recorder'

const calls = () => useRecorder.getState().calls
const get = (path: string, init?: RequestInit) => {
  const url = new URL(path, 'http://h')
  note(new Request(url, init), url)
}

beforeEach(() => {
  clearCalls()
})

describe('withoutSecrets', () => {
  it('leaves passwords, tokens and secrets out, however deep', () => {
    const body = JSON.stringify({ user: { token: 'c3', name: 'Li' }, list: [{ client_secret: 'd4' }], tokens: 3, code: 'RID1' })
    const shown = withoutSecrets(body, '/v1/clients')
    for (const secret of ['c3', 'd4']) expect(shown).not.toContain(secret)
    expect(JSON.parse(shown)).toMatchObject({ user: { name: 'Li' }, tokens: 3, code: 'RID1' })
  })

  it('leaves out all that lies below a secret name', () => {
    const body = { credentials: { user: 'a1', pin: 7 }, api_keys: ['b2', ['c3']], secret: [{ x: 'd4' }] }
    expect(JSON.parse(withoutSecrets(JSON.stringify(body), '/v1/x'))).toEqual({ credentials: '***', api_keys: '***', secret: '***' })
  })

  it('leaves the user and the tokens of an address out', () => {
    const body = { url: 'https://li:h%40sh@s3.example:9000/a?page=2&X-Amz-Security-Token=t0p#access_token=t1p', urls: ['sftp://u:hush@h/d'], note: 'a@b: 1?token=2' }
    expect(JSON.parse(withoutSecrets(JSON.stringify(body), '/v1/x'))).toEqual({
      url: 'https://s3.example:9000/a?page=2&X-Amz-Security-Token=***#access_token=***', urls: ['sftp://h/d'], note: 'a@b: 1?token=2',
    })
  })

  it('shows nothing of a change of password', () => {
    expect(withoutSecrets('{"current":"a1","new":"b2"}', '/v1/me/password')).toBe('{"current":"***","new":"***"}')
  })
})

describe('note', () => {
  it('keeps the body of a write and what it depends on, without secrets', async () => {
    get('/v1/x?token=t0p&page=2', {
      method: 'PUT', body: '{"password":"hush","note":"n"}',
      headers: { 'Content-Type': 'application/json', 'If-Match': '"7"', 'X-CSRF-Token': 'csrf', Authorization: 'Bearer k' },
    })
    await expect.poll(() => calls().length).toBe(1)
    const [call] = calls()
    expect(call).toMatchObject({ method: 'PUT', headers: { 'if-match': '"7"' }, body: '{"password":"***","note":"n"}' })
    for (const secret of ['t0p', 'hush', 'csrf', 'Bearer']) expect(JSON.stringify(call)).not.toContain(secret)
  })

  it('cleans an address in a query', () => {
    get('/v1/x?from=https%3A%2F%2Fli%3Ahush%40h%2Fa%3Ftoken%3Dt0p')
    expect(decodeURIComponent(calls()[0]?.path ?? '')).toBe('/v1/x?from=https://h/a?token=***')
  })

  it('knows no address of a presigned part', () => {
    noteBytes('PUT', '/v1/blobs/staging/x?sig=s3cr3t', 'part')
    expect(JSON.stringify(calls())).not.toContain('s3cr3t')
  })
})

describe('callsAhead', () => {
  it('lets the calls of the next screen stay when that screen opens', () => {
    get('/v1/old')
    callsAhead()
    get('/v1/next')
    clearCalls()
    expect(calls().map((c) => c.path)).toEqual(['/v1/next'])
    clearCalls()
    expect(calls()).toEqual([])
  })
})
