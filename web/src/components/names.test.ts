// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, it, vi } from 'vitest'
import { listUsers } from '../api/generated'
import { nameOf } from './names'

vi.mock('../api/generated', () => ({ listUsers: vi.fn() }))

const asked = vi.mocked(listUsers)

function answers(work: (ids: string[]) => object) {
  asked.mockImplementation(((options: { query: { id: string[] } }) => Promise.resolve(work(options.query.id))) as never)
}

afterEach(() => {
  asked.mockReset()
})

describe('nameOf', () => {
  it('asks for all the names of a screen at once, each person once', async () => {
    answers((ids) => ({ data: { items: ids.filter((id) => id !== 'gone').map((id) => ({ id, name: `N ${id}` })) } }))
    const found = await Promise.all(['a', 'b', 'a', 'gone'].map(nameOf))
    expect(found).toEqual(['N a', 'N b', 'N a', null])
    expect(asked.mock.calls.map(([options]) => options?.query?.id)).toEqual([['a', 'b', 'gone']])
  })

  it('asks in portions, and for each screen anew', async () => {
    answers((ids) => ({ data: { items: ids.map((id) => ({ id, name: id })) } }))
    const ids = Array.from({ length: 250 }, (_, n) => `p${n}`)
    expect(await Promise.all(ids.map(nameOf))).toEqual(ids)
    expect(asked.mock.calls.map(([options]) => options?.query?.id?.length)).toEqual([100, 100, 50])
    await nameOf('p1')
    expect(asked).toHaveBeenCalledTimes(4)
  })

  it('tells everybody who waits that the question failed', async () => {
    asked.mockRejectedValue(new Error('503'))
    const all = await Promise.allSettled([nameOf('a'), nameOf('b')])
    expect(all.map((one) => one.status)).toEqual(['rejected', 'rejected'])
    expect(asked).toHaveBeenCalledTimes(1)
  })
})
