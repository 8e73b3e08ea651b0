// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { begin, setReachable, useReachable } from './reachable'

const reachable = () => useReachable.getState().reachable

describe('setReachable', () => {
  it('is not told by the late answer to an earlier call', () => {
    const [first, second] = [begin(), begin()]
    setReachable(false, second)
    setReachable(true, first)
    expect(reachable()).toBe(false)
    setReachable(true)
    expect(reachable()).toBe(true)
  })

  it('is told by the late failure of an earlier call', () => {
    const [first, second] = [begin(), begin()]
    setReachable(true, second)
    setReachable(false, first)
    expect(reachable()).toBe(false)
    setReachable(true, second) // its end was known before
    expect(reachable()).toBe(true)
  })
})
