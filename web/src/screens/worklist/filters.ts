// SPDX-License-Identifier: Apache-2.0
// The filters of the worklist live in the address, so that it can be kept, shared and gone back to.
import { useCallback, useMemo } from 'react'
import { useSearchParams } from 'react-router'
import type { SearchWorklistData } from '../../api/generated'

export type WorklistQuery = NonNullable<SearchWorklistData['query']>

export const NAMES = [
  'text', 'modality', 'date_from', 'date_to', 'priority', 'ai_state', 'verdict', 'report', 'space', 'patient', 'tab', 'order', 'cursor',
] as const
export type Name = (typeof NAMES)[number]
export const PAGE = 50

/** Read a query out of the address; unknown names are left out. */
export function queryOf(params: URLSearchParams): WorklistQuery {
  const found: Record<string, string> = {}
  for (const name of NAMES) {
    const value = params.get(name)
    if (value) found[name] = value
  }
  return { ...found, limit: PAGE }
}

/** Return the address with some filters changed; another filter starts at the first page. */
export function changed(params: URLSearchParams, change: Partial<Record<Name, string | undefined>>): URLSearchParams {
  const next = new URLSearchParams(params)
  if (!('cursor' in change)) next.delete('cursor')
  for (const [name, value] of Object.entries(change)) {
    if (value) next.set(name, value)
    else next.delete(name)
  }
  return next
}

export function useFilters() {
  const [params, setParams] = useSearchParams()
  const query = useMemo(() => queryOf(params), [params])
  const change = useCallback(
    (what: Partial<Record<Name, string | undefined>>) => {
      setParams((before) => changed(before, what))
    },
    [setParams],
  )
  const clear = useCallback(() => {
    setParams((before) => {
      const tab = before.get('tab')
      return new URLSearchParams(tab ? { tab } : undefined)
    })
  }, [setParams])
  const filtered = NAMES.some((n) => !['tab', 'order', 'cursor'].includes(n) && params.has(n))
  return { query, change, clear, filtered, isLater: params.has('cursor') }
}
