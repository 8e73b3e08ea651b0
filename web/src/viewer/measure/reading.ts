// SPDX-License-Identifier: Apache-2.0
// Measurement groups out of any TID 1500 report; ours come back as drawings.
import { first, items, number, numbers, text, type Dataset } from '../dicom/dataset'
import type { Vec } from '../geometry'
import type { MeasureKind } from './model'
import { DESCRIPTION, MAKER } from './writing'

export interface Group {
  kind: MeasureKind | undefined // of our own drawings
  tracking: string
  uid: string
  finding: string
  comment: string
  numbers: { name: string; value: number; unit: string }[]
  space: Vec[] | undefined // points in LPS mm
  frameOfReference: string
  pixels: [number, number][] | undefined // (column, row), first pixel's centre at (0.5, 0.5)
  sopUid: string
  frame: number
}

export interface Report {
  sopUid: string
  seriesUid: string
  title: string
  observer: string
  at: string
  number: number
  own: boolean // made by this viewer
  groups: Group[]
}

const OURS = /^HealthVision:(length|angle|bidirectional|ellipse|rectangle|probe|arrow)$/

const nameOf = (item: Dataset) => text(first(item, '0040A043'), '00080100')
const meaning = (item: Dataset) => text(first(item, '0040A043'), '00080104')

function* all(item: Dataset): Generator<Dataset> {
  for (const child of items(item, '0040A730')) {
    yield child
    yield* all(child)
  }
}

function chunks(values: number[], size: number): number[][] {
  return Array.from({ length: Math.floor(values.length / size) }, (_, i) => values.slice(i * size, i * size + size))
}

/** The points as our tools keep them: an ellipse by its upright axis first, a rectangle by rows. */
function asDrawn<T extends number[]>(points: T[], kind: MeasureKind | undefined): T[] {
  const [a, b, c, d] = points
  if (!a || !b || !c || !d) return points
  if (kind === 'rectangle') return [a, b, d, c]
  if (kind !== 'ellipse') return points
  const lying = (p: T, q: T) => Math.abs((p[0] ?? 0) - (q[0] ?? 0))
  return lying(a, b) <= lying(c, d) ? [a, b, c, d] : [c, d, a, b]
}

function groupOf(box: Dataset): Group {
  const own = items(box, '0040A730')
  const tracking = text(own.find((i) => nameOf(i) === '112039'), '0040A160')
  const kind = OURS.exec(tracking)?.[1] as MeasureKind | undefined
  const deep = [...all(box)]
  const plane = deep.find((i) => text(i, '0040A040') === 'SCOORD')
  const space = deep.find((i) => text(i, '0040A040') === 'SCOORD3D')
  const image = deep.find((i) => text(i, '0040A040') === 'IMAGE')
  const object = first(image, '00081199')
  const finding = own.find((i) => nameOf(i) === '121071')
  return {
    kind,
    tracking,
    uid: text(own.find((i) => nameOf(i) === '112040'), '0040A124'),
    finding: text(first(finding, '0040A168'), '00080104'),
    comment: text(own.find((i) => nameOf(i) === '121106'), '0040A160'),
    numbers: own.filter((i) => text(i, '0040A040') === 'NUM').map(numberOf),
    space: space && (asDrawn(chunks(numbers(space, '00700022'), 3), kind) as Vec[]),
    frameOfReference: text(space, '30060024'),
    pixels: plane && (asDrawn(chunks(numbers(plane, '00700022'), 2), kind) as [number, number][]),
    sopUid: text(object, '00081155'),
    frame: number(object, '00081160') ?? 1,
  }
}

function numberOf(item: Dataset): { name: string; value: number; unit: string } {
  const value = first(item, '0040A300')
  const derived = items(item, '0040A730').find((i) => nameOf(i) === '121401')
  const how = text(first(derived, '0040A168'), '00080104')
  return {
    name: how ? `${meaning(item)} (${how})` : meaning(item),
    value: number(value, '0040A30A') ?? Number.NaN,
    unit: text(first(value, '004008EA'), '00080100'),
  }
}

/** Read a report; undefined when it holds no measurement report. */
export function readReport(ds: Dataset): Report | undefined {
  if (nameOf(ds) !== '126000') return undefined
  const groups = [...all(ds)].filter((i) => nameOf(i) === '125007').map(groupOf)
  const observer = items(ds, '0040A730').find((i) => nameOf(i) === '121008')
  return {
    sopUid: text(ds, '00080018'),
    seriesUid: text(ds, '0020000E'),
    title: text(ds, '0008103E') || meaning(ds),
    observer: text(observer, '0040A123'),
    at: `${text(ds, '00080023')}${text(ds, '00080033')}`,
    number: number(ds, '00200013') ?? 0,
    own: text(ds, '00080070') === MAKER && text(ds, '0008103E') === DESCRIPTION,
    groups,
  }
}

/** The latest saving of every reader. */
export function latest(reports: readonly Report[]): Report[] {
  const newest = new Map<string, Report>()
  for (const report of reports.filter((r) => r.own)) {
    const known = newest.get(report.observer)
    if (!known || report.number > known.number || (report.number === known.number && report.at > known.at)) newest.set(report.observer, report)
  }
  return [...newest.values()]
}
