// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { createUpload, getUpload } from '../../api/generated'
import { ownPath, sendBytes } from '../../api/send-bytes'
import { isUpload, readStow, sendUpload } from './transfer'

vi.mock('../../api/generated')
vi.mock('../../api/send-bytes', async (original) => ({ ...(await original<object>()), sendBytes: vi.fn() }))

describe('readStow', () => {
  it('counts what was stored and refused, and names the studies once', () => {
    const url = (n: number) => ({ '00081190': { Value: [`http://h/dicomweb/default/studies/1.2.3/series/4/instances/${n}`] } })
    const answer = { '00081199': { Value: [url(1), url(2)] }, '00081198': { Value: [{}] } }
    expect(readStow(answer)).toEqual({ studyUids: ['1.2.3'], stored: 2, failed: 1 })
    expect(readStow(undefined)).toEqual({ studyUids: [], stored: 0, failed: 0 })
  })
})

describe('ways in', () => {
  it('archives and pictures are uploads, the rest is loose DICOM', () => {
    const names = ['a.zip', 'b.NII.GZ', 'c.jpg', 'IM0001', 'd.dcm']
    expect(names.map((n) => isUpload(new File(['x'], n)))).toEqual([true, true, true, false, false])
  })

  it('our own presigned addresses are taken on the origin of the page', () => {
    expect(ownPath('http://other:1/v1/blobs/a/b?sig=1')).toBe('/v1/blobs/a/b?sig=1')
    expect(ownPath('https://s3.example/bucket/key?X=1')).toBe('https://s3.example/bucket/key?X=1')
  })
})

describe('cancelling', () => {
  const file = new File(['bytes'], 'a.zip')
  const begun = { id: 'u-1', state: 'waiting', parts: [{ number: 1, offset: 0, size: 5, done: false, method: 'PUT', url: '/p', headers: {} }] }

  beforeEach(() => {
    vi.resetAllMocks()
  })

  it.each([
    ['begun anew', undefined, createUpload],
    ['gone on with', 'u-1', getUpload],
  ])('an upload that is %s, while the server is asked, sends no bytes', async (_, resume, asked) => {
    const control = new AbortController()
    const upload = vi.fn()
    vi.mocked(asked).mockImplementation((() => {
      control.abort()
      return Promise.resolve({ data: begun })
    }) as never)
    const sent = sendUpload(file, { signal: control.signal, progress: () => undefined, upload }, resume)
    await expect(sent).rejects.toMatchObject({ name: 'AbortError' })
    expect(upload).toHaveBeenCalledWith('u-1') // so that it can be gone on with
    expect(sendBytes).not.toHaveBeenCalled()
  })

  it('before anything was asked asks nothing', async () => {
    await expect(sendUpload(file, { signal: AbortSignal.abort(), progress: () => undefined })).rejects.toMatchObject({ name: 'AbortError' })
    expect(createUpload).not.toHaveBeenCalled()
  })
})
