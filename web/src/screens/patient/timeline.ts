// SPDX-License-Identifier: Apache-2.0
// One line of time out of the studies, AI results and reports of a patient.
import type { ReportItem, ResultItem, WorklistItem } from '../../api/generated'

export interface Entry {
  study: WorklistItem
  results: ResultItem[]
  reports: ReportItem[]
}

export interface Year {
  year: string // '' when the date is not known
  entries: Entry[]
}

/** Newest study first, grouped by year, each with its current results and its report. */
export function timelineOf(studies: readonly WorklistItem[], results: readonly ResultItem[], reports: readonly ReportItem[]): Year[] {
  const years = new Map<string, Entry[]>()
  const sorted = [...studies].sort((a, b) => (b.study_date + b.study_time).localeCompare(a.study_date + a.study_time))
  for (const study of sorted) {
    const entry = {
      study,
      results: results.filter((r) => r.study_id === study.study_id && !r.superseded_by),
      reports: reports.filter((r) => r.study_id === study.study_id),
    }
    const year = /^\d{4}/.test(study.study_date) ? study.study_date.slice(0, 4) : ''
    years.set(year, [...(years.get(year) ?? []), entry])
  }
  return [...years].map(([year, entries]) => ({ year, entries }))
}

/** A pair to compare, the newer one first; undefined until two are chosen that share a space. */
export function pairOf(studies: readonly WorklistItem[], chosen: readonly string[]): [WorklistItem, WorklistItem] | undefined {
  const found = studies.filter((s) => chosen.includes(s.study_id))
  const [newer, older] = found.sort((a, b) => (b.study_date + b.study_time).localeCompare(a.study_date + a.study_time))
  if (!newer || !older || found.length !== 2) return undefined
  return newer.spaces.some((s) => older.spaces.includes(s)) ? [newer, older] : undefined
}

export function modalitiesOf(studies: readonly WorklistItem[]): string[] {
  const own = new Set(studies.flatMap((s) => s.modalities).filter((m) => !['SR', 'SEG', 'DOC', 'PR', 'KO', 'OT'].includes(m)))
  return [...own].sort()
}
