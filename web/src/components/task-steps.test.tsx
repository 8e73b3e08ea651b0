// SPDX-License-Identifier: Apache-2.0
import { renderHook } from '@testing-library/react'
import { describe, expect, it, vi } from 'vitest'
import type { TaskRead } from '../api/generated'
import { useLiveTask } from './task-steps'

const task = (state: string) => ({ id: 't', revision: 1, state }) as TaskRead

describe('useLiveTask', () => {
  it('tells of the end also when the task was over before it was first seen', () => {
    const ended = vi.fn()
    renderHook(() => useLiveTask(task('done'), ended))
    expect(ended).toHaveBeenCalledTimes(1)
  })

  it('tells once, when the task is over', () => {
    const ended = vi.fn()
    const { rerender } = renderHook(({ state }) => useLiveTask(task(state), ended), { initialProps: { state: 'running' } })
    expect(ended).not.toHaveBeenCalled()
    rerender({ state: 'failed' })
    rerender({ state: 'failed' })
    expect(ended).toHaveBeenCalledTimes(1)
  })
})
