// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { studyIn } from './find'

describe('studyIn', () => {
  it('reads the study out of the address', () => {
    expect(studyIn('/viewer/1.2%2E3')).toBe('1.2.3')
    expect(studyIn('/worklist')).toBeUndefined()
  })

  it('does not fail on an address that is not percent-encoded', () => {
    expect(studyIn('/viewer/%E0%A4%A')).toBeUndefined()
  })
})
