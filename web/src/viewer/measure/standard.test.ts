// SPDX-License-Identifier: Apache-2.0
// One report with every kind of measurement, kept as a file that tests/formats/dicom/test_standards.py
// gives to dciodvfy, dsrdump and highdicom: what the viewer writes is judged by others.
import { expect, it } from 'vitest'
import type { Dataset } from '../dicom/dataset'
import type { Vec } from '../geometry'
import type { Author, Figure, Measured, MeasureKind } from './model'
import { readReport } from './reading'
import { writeReport } from './writing'

const KEPT = '../../../../tests/formats/dicom/viewer_measurements.json'
const CT = '1.2.840.10008.5.1.4.1.1.2'
const READER: Author = { kind: 'person', account: 'u-li', name: 'Li^Mei' }
const SOURCE = {
  '00080020': { vr: 'DA', Value: ['20260304'] }, '00080030': { vr: 'TM', Value: ['050607'] }, '00080050': { vr: 'SH', Value: ['A1'] },
  '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Wang^XiaoDong', Ideographic: '王^小东' }] }, '00100020': { vr: 'LO', Value: ['P1'] },
  '00100030': { vr: 'DA', Value: ['19700615'] }, '00100040': { vr: 'CS', Value: ['F'] }, '00200010': { vr: 'SH', Value: ['S1'] },
  '0020000D': { vr: 'UI', Value: ['2.25.1000'] },
} as unknown as Dataset

const figure = (name: Figure['name'], value: number, unit: string): Figure => ({ name, value, unit })
const INSIDE = [figure('area', 314.16, 'mm2'), figure('mean', -12.5, '[hnsf\'U]'), figure('deviation', 20.25, '[hnsf\'U]'),
  figure('minimum', -90, '[hnsf\'U]'), figure('maximum', 71, '[hnsf\'U]')]
const KINDS: [MeasureKind, number, Figure[]][] = [
  ['length', 2, [figure('length', 10.5, 'mm')]],
  ['angle', 3, [figure('angle', 41.5, 'deg')]],
  ['bidirectional', 4, [figure('length', 12, 'mm'), figure('short', 7.5, 'mm')]],
  ['ellipse', 4, INSIDE],
  ['rectangle', 4, INSIDE],
  ['probe', 1, [figure('value', 42, '[hnsf\'U]')]],
  ['arrow', 2, []],
]
const CORNERS: Vec[] = [[0, 0, 0], [20, 0, 0], [20, 10, 0], [0, 10, 0]]
const PIXELS: [number, number][] = [[1.5, 1.5], [21.5, 1.5], [21.5, 11.5], [1.5, 11.5]]

const made = (kind: MeasureKind, count: number, figures: Figure[], number: number, flat: boolean): Measured => ({
  id: String(number), uid: `2.25.${2000 + number}`, kind, label: kind === 'arrow' ? '箭头 arrow' : '', points: CORNERS.slice(0, count), figures,
  frameOfReference: '2.25.1001', seriesUid: '2.25.1002', studyUid: '2.25.1000', sopUid: flat ? '2.25.1003' : '', sopClass: flat ? CT : '',
  frame: 1, normal: undefined, up: undefined, author: READER, own: true, at: '20260304050607.000+0800', saved: false,
  basis: kind === 'length' && flat ? { uid: '2.25.3001', sopUid: '2.25.3002', seriesUid: '2.25.3003' } : undefined,
})

it('writes every kind, in an image and in space, as it is kept for the validators', async () => {
  const all = [true, false].flatMap((flat) => KINDS.map(([kind, count, figures], at) => made(kind, count, figures, (flat ? 0 : 100) + at, flat)))
  const report = writeReport(all, {
    reader: READER, source: SOURCE, seriesUid: '2.25.4001', sopUid: '2.25.4002', number: 2, at: new Date(2026, 2, 4, 5, 6, 7),
    before: [{ sopUid: '2.25.4000', seriesUid: '2.25.4001' }], kept: [], evidence: [],
    pixelsOf: (m) => (m.sopUid ? PIXELS.slice(0, m.points.length) : undefined),
  })
  await expect(`${JSON.stringify(report, null, 1)}\n`).toMatchFileSnapshot(KEPT)
  expect(readReport(report)?.groups).toHaveLength(all.length)
})
