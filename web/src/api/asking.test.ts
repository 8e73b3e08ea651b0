// SPDX-License-Identifier: Apache-2.0
import { QueryClient, QueryObserver } from '@tanstack/react-query'
import { describe, expect, it } from 'vitest'
import { askAgain } from './asking'

describe('askAgain', () => {
  it('does not take an answer that was asked for before the change', async () => {
    const queries = new QueryClient()
    const answers: ((value: string) => void)[] = []
    const queryFn = () => new Promise<string>((resolve) => answers.push(resolve))
    const seen = new QueryObserver(queries, { queryKey: ['verdicts'], queryFn })
    const stop = seen.subscribe(() => undefined)
    const again = askAgain(queries, { queryKey: ['verdicts'] })
    await Promise.resolve()
    answers[0]?.('old')
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(answers).toHaveLength(2)
    answers[1]?.('new')
    await again
    expect(seen.getCurrentResult().data).toBe('new')
    stop()
  })
})
