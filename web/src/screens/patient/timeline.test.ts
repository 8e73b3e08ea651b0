// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import type { ReportItem, ResultItem, WorklistItem } from '../../api/generated'
import { modalitiesOf, pairOf, timelineOf } from './timeline'

const study = (id: string, date: string, modalities: string[] = ['CT']) => ({ study_id: id, study_date: date, study_time: '', modalities }) as WorklistItem

describe('the line of time', () => {
  it('is newest first by year, undated last, each study with what belongs to it', () => {
    const results = [
      { id: 'old', study_id: 'b', superseded_by: 'new' },
      { id: 'new', study_id: 'b', superseded_by: null },
    ] as ResultItem[]
    const reports = [{ id: 'r', study_id: 'a' }] as ReportItem[]
    const years = timelineOf([study('x', ''), study('a', '20250101'), study('c', '20260101'), study('b', '20260301')], results, reports)
    expect(years.map((y) => [y.year, y.entries.map((e) => e.study.study_id)])).toEqual([
      ['2026', ['b', 'c']],
      ['2025', ['a']],
      ['', ['x']],
    ])
    expect(years[0]?.entries[0]?.results.map((r) => r.id)).toEqual(['new'])
    expect(years[1]?.entries[0]?.reports).toHaveLength(1)
  })

  it('pairs two chosen studies, the newer one first, when one space holds both', () => {
    const all = [study('a', '20250101'), study('b', '20260301'), study('c', '20260401')].map((s, i) => ({ ...s, spaces: i === 2 ? ['x'] : ['default'] }))
    expect([pairOf(all, ['a', 'b'])?.map((s) => s.study_id), pairOf(all, ['a']), pairOf(all, ['a', 'c'])]).toEqual([['b', 'a'], undefined, undefined])
  })

  it('names the modalities that make images', () => {
    expect(modalitiesOf([study('a', '', ['MR', 'SR']), study('b', '', ['CT', 'DOC', 'SEG'])])).toEqual(['CT', 'MR'])
  })
})
