// SPDX-License-Identifier: Apache-2.0
// A draft that saves itself: soon after typing, again when the network is back, never over
// somebody else's words without asking.
import { useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useRef, useState } from 'react'
import { getReport, saveDraft, searchReports, type ReportContent, type ReportRead } from '../../../api/generated'
import { problemOf } from '../../../api/problem'
import { useSession } from '../../../app/session'
import { beginning, forget, keep, kept, same } from './kept'

const SOON_MS = 1200
const AGAIN_MS = 5000

export type DraftState = 'saved' | 'restored' | 'typing' | 'saving' | 'offline' | 'conflict' | 'refused'

/** The ETag of a report is its id and revision. */
export function tagOf(report: ReportRead): string {
  return `"${report.id}-${report.revision}"`
}

export const reportKey = (study: string) => ['report-of-study', study]

/** The report of a study, null when there is none (a list is asked, since a 404 would be an error). */
export async function reportOf(study: string, signal: AbortSignal): Promise<ReportRead | null> {
  const { data } = await searchReports({ query: { study, limit: 1 }, signal, throwOnError: true })
  const [first] = data.items
  return first ? (await getReport({ path: { report_id: first.id }, signal, throwOnError: true })).data : null
}

export function useKeepReport(study: string) {
  const queries = useQueryClient()
  return useCallback(
    (report: ReportRead) => {
      queries.setQueryData(reportKey(study), report)
    },
    [queries, study],
  )
}

export function useDraft(report: ReportRead) {
  const { me } = useSession()
  const keepReport = useKeepReport(report.study_id)
  const [first] = useState(() => beginning(report, kept(me.id, report.id)))
  const [content, setContent] = useState<ReportContent>(first.content)
  const [state, setState] = useState<DraftState>(first.kind === 'server' ? 'saved' : first.kind)
  const [error, setError] = useState<unknown>()
  const now = useRef({ report, content: first.content, timer: 0, busy: undefined as Promise<boolean> | undefined })

  const save = useCallback(async (): Promise<boolean> => {
    const here = now.current
    window.clearTimeout(here.timer)
    if (here.busy) await here.busy
    if (same(here.content, here.report.content)) {
      forget(me.id, here.report.id)
      setState('saved')
      return true
    }
    const sent = here.content
    setState('saving')
    const work = saveDraft({
      path: { report_id: here.report.id },
      body: sent,
      headers: { 'if-match': tagOf(here.report) },
      throwOnError: true,
    }).then(
      ({ data }) => {
        here.report = data
        keepReport(data)
        setError(undefined)
        if (same(here.content, sent)) {
          forget(me.id, data.id)
          setState('saved')
        } else {
          keep(me.id, data.id, { revision: data.revision, content: here.content })
          setState('typing')
        }
        return true
      },
      (problem: unknown) => {
        const status = problemOf(problem)?.status
        setError(problem)
        setState(status === 412 ? 'conflict' : status === undefined || status >= 500 || status === 429 ? 'offline' : 'refused')
        return false
      },
    )
    here.busy = work
    const done = await work
    here.busy = undefined
    return done
  }, [keepReport, me.id])

  const change = useCallback(
    (part: Partial<ReportContent>) => {
      const here = now.current
      here.content = { ...here.content, ...part }
      setContent(here.content)
      keep(me.id, here.report.id, { revision: here.report.revision, content: here.content })
      setState((before) => (before === 'conflict' ? before : 'typing'))
    },
    [me.id],
  )

  // save a while after the last key; try again while the server cannot be reached
  useEffect(() => {
    if (state !== 'typing' && state !== 'offline' && state !== 'restored') return undefined
    const timer = window.setTimeout(() => void save(), state === 'offline' ? AGAIN_MS : SOON_MS)
    return () => {
      window.clearTimeout(timer)
    }
  }, [state, content, save])
  useEffect(() => {
    const back = () => void save()
    window.addEventListener('online', back)
    return () => {
      window.removeEventListener('online', back)
    }
  }, [save])

  /** End a conflict: keep what is on this screen, or take what is on the server. */
  const settle = useCallback(
    async (mine: boolean): Promise<void> => {
      const here = now.current
      const { data } = await getReport({ path: { report_id: here.report.id }, throwOnError: true })
      here.report = data
      keepReport(data)
      if (mine) {
        await save()
        return
      }
      here.content = data.content
      setContent(data.content)
      forget(me.id, data.id)
      setState('saved')
    },
    [keepReport, me.id, save],
  )
  return { content, state, error, change, save, settle }
}
