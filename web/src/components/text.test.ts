// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { ageAt, bytes, clock, dicomMoment, personName } from './text'

describe('personName', () => {
  it('takes the ideographic part for Chinese', () => {
    expect(personName('Wang^Li=王^丽', true)).toBe('王丽')
    expect(personName('Wang^Li=王^丽', false)).toBe('Wang Li')
    expect(personName('李^梅', false)).toBe('李梅')
    expect(personName('', true)).toBe('')
  })
})

describe('numbers and times', () => {
  it('are as people write them', () => {
    expect(dicomMoment('20260304', '050607')).toBe('2026-03-04 05:06')
    expect(dicomMoment('', '')).toBe('')
    expect([clock(61), clock(-3725.4), clock(0)]).toEqual(['1:01', '1:02:05', '0:00'])
    expect([bytes(999), bytes(1_500_000)]).toEqual(['999 B', '1.5 MB'])
    expect(ageAt('19700615', '20260304')).toBe(55)
    expect(ageAt('', '20260304')).toBeUndefined()
  })
})
