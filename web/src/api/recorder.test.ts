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
