// SPDX-License-Identifier: Apache-2.0
import { render } from '@testing-library/react'
import { describe, expect, it } from 'vitest'
import { Counts } from './deadlines'

function saysNone(rows: [] | undefined, loading: boolean): boolean {
  const { container, unmount } = render(<Counts rows={rows} loading={loading} title="T" name={(key) => key} />)
  const found = container.querySelector('.ant-empty') !== null
  unmount()
  return found
}

describe('Counts', () => {
  it('says that there is no task only when that is known', () => {
    expect(saysNone(undefined, true)).toBe(false)
    expect(saysNone(undefined, false)).toBe(false) // after an error
    expect(saysNone([], false)).toBe(true)
  }, 30_000)
})
