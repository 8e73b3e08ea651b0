// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { addedUp, share } from './deadlines'

const days = [
  { day: '2026-03-04', priority: 'stat' as const, kept: 999, missed: 1, failed: 4, open: 2 },
  { day: '2026-03-05', priority: 'stat' as const, kept: 1, missed: 0, failed: 1, open: 0 },
  { day: '2026-03-05', priority: 'routine' as const, kept: 0, missed: 0, failed: 0, open: 3 },
]

describe('deadlines', () => {
  it('add up by day and by priority', () => {
    expect(addedUp(days, 'priority')).toEqual([
      { key: 'stat', kept: 1000, missed: 1, failed: 5, open: 2 },
      { key: 'routine', kept: 0, missed: 0, failed: 0, open: 3 },
    ])
    expect(addedUp(days, 'day').map((d) => d.kept)).toEqual([999, 1])
  })

  it('say 100 only when none was late, and nothing when none ended', () => {
    const [stat, routine] = addedUp(days, 'priority')
    expect(stat && share(stat)).toBe(99)
    expect(routine && share(routine)).toBeUndefined()
  })
})
