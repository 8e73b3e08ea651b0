// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { ownPath } from '../../api/send-bytes'
import { isUpload, readStow } from './transfer'

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
