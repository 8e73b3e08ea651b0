// SPDX-License-Identifier: Apache-2.0
import { act, renderHook } from '@testing-library/react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { useSettled } from './settled'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('useSettled', () => {
  it('follows only when the value has stayed for a while', () => {
    const { result, rerender } = renderHook(({ value }) => useSettled(value), { initialProps: { value: '' } })
    for (const value of ['B', 'Be', 'Ben']) {
      rerender({ value })
      act(() => {
        vi.advanceTimersByTime(150)
      })
      expect(result.current).toBe('')
    }
    act(() => {
      vi.advanceTimersByTime(50)
    })
    expect(result.current).toBe('Ben')
  })
})
