// SPDX-License-Identifier: Apache-2.0
// Rows change in place as the server tells; a study that is new to the list makes it be asked again.
import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useMemo, useRef } from 'react'
import { askAgain } from '../../api/asking'
import type { WorklistItem, WorklistPage } from '../../api/generated'
import { useStream } from '../../api/stream'

const SOON_MS = 800

/** Return a page with one row in its newer state; the same page when it does not hold it. */
export function withRow(page: WorklistPage, item: WorklistItem): WorklistPage {
  const at = page.items.findIndex((i) => i.study_id === item.study_id)
  if (at < 0) return page
  const items = [...page.items]
  items[at] = item
  return { ...page, items }
}

export function useLiveRows(key: readonly unknown[], counts: readonly unknown[]): void {
  const queries = useQueryClient()
  const timer = useRef(0)
  const latest = useRef({ key, counts })
  useEffect(() => {
    latest.current = { key, counts }
  })
  useEffect(
    () => () => {
      window.clearTimeout(timer.current)
    },
    [],
  )
  const handlers = useMemo(() => {
    const again = () => {
      window.clearTimeout(timer.current)
      timer.current = window.setTimeout(() => {
        void askAgain(queries, { queryKey: latest.current.key }, { queryKey: latest.current.counts })
      }, SOON_MS)
    }
    return {
      study: (data: string) => {
        const item = JSON.parse(data) as WorklistItem
        const page = queries.getQueryData<WorklistPage>(latest.current.key)
        const known = page?.items.find((i) => i.study_id === item.study_id)
        if (page && known) queries.setQueryData(latest.current.key, withRow(page, item))
        // another place in the list, another tab, another count
        if (!known || known.ai.state !== item.ai.state || known.priority !== item.priority || known.report_state !== item.report_state) again()
      },
      gone: again,
      hello: () => undefined,
    }
  }, [queries])
  useStream('/v1/worklist/events', handlers)
}
