// SPDX-License-Identifier: Apache-2.0
import { QueryClient, QueryClientProvider, useQuery } from '@tanstack/react-query'
import { render, screen } from '@testing-library/react'
import { describe, expect, it, vi } from 'vitest'
import { studyOptions } from './study'

const ID = '0198c0de-0000-7000-8000-000000000001'
const server = vi.hoisted(() => ({ getStudy: vi.fn() }))
vi.mock('../../api/generated', () => ({ getStudy: server.getStudy, listStudies: vi.fn() }))

function Screen() {
  return <p>{useQuery(studyOptions(ID, 'default')).status}</p>
}

/** Ask for a study ahead, then open its screen; returns how often the server was asked. */
async function asked(status: number): Promise<number> {
  server.getStudy.mockReset().mockRejectedValue({ type: 'urn:healthvision:problem:x', title: '', detail: '', status })
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } })
  await queries.fetchQuery(studyOptions(ID, 'default')).catch(() => undefined)
  render(<QueryClientProvider client={queries}><Screen /></QueryClientProvider>)
  await screen.findByText('error', {}, { timeout: 60_000 })
  return server.getStudy.mock.calls.length
}

describe('studyOptions', () => {
  it.each([[404, 1], [500, 2]])('refused ahead with %d: the server is asked %d times', async (status, times) => {
    expect(await asked(status)).toBe(times)
  }, 120_000)
})
