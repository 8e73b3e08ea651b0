// SPDX-License-Identifier: Apache-2.0
// The findings of a study's results in reading order, with what doctors said of each.
import { useMutation, useQueries, useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo } from 'react'
import {
  giveVerdict, withdrawVerdict,
  type Finding, type ResultRead, type VerdictCreate, type VerdictRead,
} from '../../../api/generated'
import {
  listResultVerdictsOptions, listResultVerdictsQueryKey, listStudyResultsOptions, listStudyResultsQueryKey,
} from '../../../api/generated/@tanstack/react-query.gen'
import { askAgain } from '../../../api/asking'
import { useSession } from '../../../app/session'

export type ReasonCode = NonNullable<VerdictCreate['reason_code']>

/** One finding, or a whole result that has none (``finding`` undefined). */
export interface Place {
  key: string
  read: ResultRead
  finding: Finding | undefined
  number: number // within its result, from 1
  mine: VerdictRead | undefined // the caller's verdict that counts here
  others: VerdictRead[]
}

/** A verdict on the whole result counts where a finding has none of the same reader. */
export function verdictsOn(active: readonly VerdictRead[], trackingUid: string): VerdictRead[] {
  const own = active.filter((v) => v.tracking_uid === trackingUid)
  const readers = new Set(own.map((v) => v.reader))
  return trackingUid ? [...own, ...active.filter((v) => v.tracking_uid === '' && !readers.has(v.reader))] : own
}

export function placesOf(reads: readonly ResultRead[], verdicts: ReadonlyMap<string, readonly VerdictRead[]>): Place[] {
  return reads.flatMap((read) => {
    const active = verdicts.get(read.item.id) ?? []
    const findings: (Finding | undefined)[] = read.result.findings.length > 0 ? read.result.findings : [undefined]
    return findings.map((finding, i) => {
      const uid = finding?.tracking_uid ?? ''
      const said = verdictsOn(active, uid)
      return {
        key: `${read.item.id}:${uid}`,
        read,
        finding,
        number: i + 1,
        mine: said.find((v) => v.mine),
        others: said.filter((v) => !v.mine),
      }
    })
  })
}

export function usePlaces(study: string) {
  const { can } = useSession()
  const results = useQuery(listStudyResultsOptions({ path: { study_id: study } }))
  const reads = useMemo(() => results.data ?? [], [results.data])
  const said = useQueries({
    queries: reads.map((read) => ({
      ...listResultVerdictsOptions({ path: { result_id: read.item.id } }),
      enabled: can('verdicts:read'),
    })),
    combine: (found) => found.map((f) => f.data),
  })
  const places = useMemo(() => {
    const verdicts = new Map(said.flatMap((s) => (s ? [[s.result_id, s.active] as const] : [])))
    return placesOf(reads, verdicts)
  }, [reads, said])
  return { results, places }
}

export function useVerdicts(study: string) {
  const queries = useQueryClient()
  const settle = (result: string) =>
    askAgain(
      queries,
      { queryKey: listResultVerdictsQueryKey({ path: { result_id: result } }) },
      { queryKey: listStudyResultsQueryKey({ path: { study_id: study } }) },
      { queryKey: [{ _id: 'getReportPrefill' }] },
    )
  const give = useMutation({
    mutationFn: (what: { place: Place; body: VerdictCreate }) =>
      giveVerdict({ path: { result_id: what.place.read.item.id }, body: what.body, throwOnError: true }),
    onSuccess: (_, what) => settle(what.place.read.item.id),
  })
  const undo = useMutation({
    mutationFn: (verdict: VerdictRead) => withdrawVerdict({ path: { verdict_id: verdict.id }, throwOnError: true }),
    onSuccess: (_, verdict) => settle(verdict.result_id),
  })
  return { give, undo }
}
