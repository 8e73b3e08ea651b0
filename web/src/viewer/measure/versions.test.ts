// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import type { Dataset } from '../dicom/dataset'
import type { Author, Measured } from './model'
import { dicomMoment, readable } from './moments'
import { readReport, type Report } from './reading'
import { allStanding, headsOf, standing, untouched } from './versions'
import { newUid, writeReport } from './writing'

const LI: Author = { kind: 'person', account: 'u-li', name: 'Li^Mei' }
const LI_TOO: Author = { kind: 'person', account: 'u-other', name: 'Li^Mei' } // another person of that name
const AT = '20260304050607.000+0800'

const line = (uid: string, more: Partial<Measured> = {}): Measured => ({
  id: uid, uid, kind: 'length', label: '', points: [[0, 0, 0], [10, 0, 0]], figures: [{ name: 'length', value: 10, unit: 'mm' }],
  frameOfReference: '1.3', seriesUid: '1.4', studyUid: '1.5', sopUid: '1.2.0', sopClass: '1.2.840.10008.5.1.4.1.1.2', frame: 1,
  normal: undefined, up: undefined, author: LI, own: true, at: AT, saved: false, basis: undefined, ...more,
})

/** A saving as the archive gives it back: through JSON. */
function saved(reader: Author, drawn: Measured[], before: Report[] = [], replaced: string[] = [], removed: string[] = []): Report {
  const all = before.length > 0 ? standing(before, reader) : []
  const document = writeReport(drawn, {
    reader, source: { '0020000D': { vr: 'UI', Value: ['1.5'] } }, seriesUid: '1.9', sopUid: newUid(),
    number: Math.max(0, ...before.map((b) => b.number)) + 1, at: new Date(2026, 2, 4, 5, 6, 7), before: headsOf(before, reader),
    kept: untouched(all, new Set([...replaced, ...drawn.map((d) => d.uid)]), new Set(removed)),
    evidence: before.flatMap((b) => b.evidence), pixelsOf: () => [[1, 2], [3, 4]],
  })
  const report = readReport(JSON.parse(JSON.stringify(document)) as Dataset)
  if (!report) throw new Error('no report')
  return report
}

const uids = (reports: Report[], author: Author) => standing(reports, author).map((g) => g.uid).sort()

describe('savings of readers', () => {
  it('name their reader, and each measurement its moment', () => {
    const { author, groups } = saved(LI, [line('2.25.1')])
    expect(author).toEqual(LI)
    expect(groups.map((g) => [g.author, g.at])).toEqual([[LI, AT]])
  })
  it('follow each other: the last one holds what was kept, with the time it was drawn', () => {
    const one = saved(LI, [line('2.25.1'), line('2.25.2')])
    const two = saved(LI, [line('2.25.3', { at: '20260305080000.000+0800' })], [one], [], ['2.25.2'])
    expect(headsOf([one, two], LI)).toEqual([two])
    expect(standing([one, two], LI).map((g) => [g.uid, g.at])).toEqual([['2.25.1', AT], ['2.25.3', '20260305080000.000+0800']])
    expect(two.groups[0]?.raw).toEqual(one.groups[0]?.raw)
    expect(two.evidence.map((e) => e.sopUid)).toContain('1.2.0')
  })
  it('that were made at once both stand, and the next one joins them', () => {
    const one = saved(LI, [line('2.25.1')])
    const here = saved(LI, [line('2.25.2')], [one])
    const there = saved(LI, [line('2.25.3')], [one])
    expect(uids([one, here, there], LI)).toEqual(['2.25.1', '2.25.2', '2.25.3'])
    const joined = saved(LI, [line('2.25.4')], [one, here, there])
    expect(headsOf([one, here, there, joined], LI)).toEqual([joined])
    expect(joined.groups).toHaveLength(4)
  })
  it('of two people with one name stay apart, and none replaces the other', () => {
    const mine = saved(LI, [line('2.25.1')])
    const theirs = { ...saved(LI_TOO, [line('2.25.2')]), before: [mine.sopUid] }
    expect([uids([mine, theirs], LI), uids([mine, theirs], LI_TOO)]).toEqual([['2.25.1'], ['2.25.2']])
    expect(allStanding([mine, theirs])).toHaveLength(2)
  })
  it('can end empty and keep the earlier ones in the archive', () => {
    const one = saved(LI, [line('2.25.1')])
    const none = saved(LI, [], [one], [], ['2.25.1'])
    expect([standing([one, none], LI), none.before]).toEqual([[], [one.sopUid]])
  })
  it('say whose measurement was taken over', () => {
    const source = saved(LI_TOO, [line('2.25.1')])
    const basis = { uid: '2.25.1', sopUid: source.sopUid, seriesUid: source.seriesUid }
    const one = saved(LI, [line('2.25.2', { basis })])
    expect(one.groups[0]?.basis).toEqual(basis)
    const two = saved(LI, [line('2.25.3')], [one])
    expect(two.groups[0]?.basis).toEqual(basis) // kept with its evidence
  })
})

describe('the author of other reports', () => {
  const code = (value: string) => ({ vr: 'SQ', Value: [{ '00080100': { vr: 'SH', Value: [value] } }] })
  const words = (name: string, text: string): Dataset => ({ '0040A040': { vr: 'CS', Value: ['TEXT'] }, '0040A043': code(name), '0040A160': { vr: 'UT', Value: [text] } })
  it('is the application and its version', () => {
    const group: Dataset = { '0040A043': code('125007'), '0040A730': { vr: 'SQ', Value: [words('111001', 'lung-ct'), words('111003', '0.2.0')] } }
    const type: Dataset = { '0040A043': code('121005'), '0040A168': code('121007') }
    const report = readReport({ '0040A043': code('126000'), '0040A730': { vr: 'SQ', Value: [type, words('121015', 'lung-ct 0.2.0'), group] } })
    expect([report?.author, report?.groups[0]?.author]).toEqual([
      { kind: 'program', account: '', name: 'lung-ct 0.2.0' },
      { kind: 'program', account: '', name: 'lung-ct 0.2.0' },
    ])
  })
})

describe('moments', () => {
  it('keep the instant whatever the zone', () => {
    const at = new Date(2026, 2, 4, 5, 6, 7, 8)
    expect(readable(dicomMoment(at))).toBe('2026-03-04 05:06')
    expect([readable('20260304050607'), readable('20260304'), readable('')]).toEqual(['2026-03-04 05:06', '2026-03-04', ''])
  })
})
