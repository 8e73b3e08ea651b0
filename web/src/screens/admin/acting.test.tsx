// SPDX-License-Identifier: Apache-2.0
import { QueryClient, QueryClientProvider, useQuery } from '@tanstack/react-query'
import { render, screen } from '@testing-library/react'
import { App } from 'antd'
import { describe, expect, it, vi } from 'vitest'
import { useAct } from './acting'

function Screen({ list, status }: { list: () => Promise<string>; status: number }) {
  useQuery({ queryKey: ['list'], queryFn: list })
  const act = useAct(() => Promise.reject(Object.assign(new Error(), { type: 'urn:healthvision:problem:x', title: '', detail: '', status })))
  return <button onClick={() => { act.mutate(undefined) }}>{act.isError ? 'refused' : 'act'}</button>
}

async function refused(status: number): Promise<number> {
  const list = vi.fn(() => Promise.resolve('rows'))
  render(
    <App>
      <QueryClientProvider client={new QueryClient()}>
        <Screen list={list} status={status} />
      </QueryClientProvider>
    </App>,
  )
  await vi.waitFor(() => { expect(list).toHaveBeenCalledTimes(1) }, 60_000)
  screen.getByText('act').click()
  await screen.findByText('refused', {}, { timeout: 60_000 })
  expect(document.querySelectorAll('.ant-message-notice-error, .ant-message-error')).not.toHaveLength(0)
  return list.mock.calls.length
}

describe('useAct', () => {
  it.each([[409, 2], [404, 2], [422, 1]])('refused with %d asks the lists %d times', async (status, times) => {
    expect(await refused(status)).toBe(times)
  }, 120_000)
})
