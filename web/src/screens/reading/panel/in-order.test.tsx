// SPDX-License-Identifier: Apache-2.0
import { act, renderHook } from '@testing-library/react'
import { describe, expect, it } from 'vitest'
import { useInOrder } from './in-order'

describe('useInOrder', () => {
  it('keeps what is asked while a request runs, and does it after, with the newest knowledge', () => {
    const done: string[] = []
    const { result, rerender } = renderHook(
      ({ busy, known }) =>
        useInOrder<string>(busy, (wish) => {
          done.push(`${wish}/${known}`)
          return wish === 'nothing' ? undefined : new Promise(() => undefined)
        }),
      { initialProps: { busy: false, known: 'before' } },
    )
    act(() => { result.current('accept') })
    act(() => { result.current('undo') }) // before the first render that knows of the request
    expect(done).toEqual(['accept/before'])
    rerender({ busy: true, known: 'before' })
    act(() => { result.current('nothing') })
    act(() => { result.current('reject') })
    expect(done).toEqual(['accept/before'])
    rerender({ busy: false, known: 'after' })
    expect(done).toEqual(['accept/before', 'undo/after'])
    rerender({ busy: true, known: 'after' })
    rerender({ busy: false, known: 'last' })
    expect(done).toEqual(['accept/before', 'undo/after', 'nothing/last', 'reject/last'])
  })

  it('goes on after a request that ended before anybody saw it busy', async () => {
    const done: string[] = []
    const { result } = renderHook(() => useInOrder<string>(false, (wish) => { done.push(wish); return Promise.resolve() }))
    await act(async () => { result.current('accept'); await Promise.resolve() })
    act(() => { result.current('undo') })
    expect(done).toEqual(['accept', 'undo'])
  })
})
