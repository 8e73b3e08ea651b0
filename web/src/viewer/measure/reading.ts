// SPDX-License-Identifier: Apache-2.0
// Measurement groups out of any TID 1500 report; ours come back as drawings.
import { first, items, number, numbers, text, type Dataset } from '../dicom/dataset'
import type { Vec } from '../geometry'
import * as C from './codes'
import type { Author, Basis, MeasureKind } from './model'
import { DESCRIPTION, MAKER, type Reference } from './writing'

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
  author: Author
  at: string // when it was made, DICOM DT
  basis: Basis | undefined
  report: { sopUid: string; seriesUid: string }
  raw: Dataset // as it was written
}

export interface Report {
  sopUid: string
  seriesUid: string
  title: string
  author: Author
  at: string
  number: number
  own: boolean // made by this viewer
  groups: Group[]
  before: string[] // SOP UIDs of the savings it replaces
  evidence: Reference[]
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

/** Who made a report: its person, else its device (PS3.16 TID 1002-1004). */
function authorOf(ds: Dataset): Author {
  const own = items(ds, '0040A730')
  const textOf = (code: string) => text(own.find((i) => nameOf(i) === code), '0040A160')
  const person = text(own.find((i) => nameOf(i) === C.OBSERVER.value), '0040A123')
  if (person) return { kind: 'person', account: textOf(C.ACCOUNT.value), name: person }
  const type = own.find((i) => nameOf(i) === C.OBSERVER_TYPE.value)
  const device = text(first(type, '0040A168'), '00080100') === C.DEVICE
  const name = textOf(C.DEVICE_MODEL) || textOf(C.DEVICE_NAME) // never a person's
  return { kind: device || name ? 'program' : 'person', account: '', name }
}

/** The algorithm that a group names, else the author of the report. */
function groupAuthor(own: readonly Dataset[], report: Author): Author {
  const textOf = (code: string) => text(own.find((i) => nameOf(i) === code), '0040A160')
  const name = [textOf(C.ALGORITHM), textOf(C.ALGORITHM_VERSION)].filter(Boolean).join(' ')
  return name ? { kind: 'program', account: '', name } : report
}

function basisOf(own: readonly Dataset[], evidence: readonly Reference[]): Basis | undefined {
  const uid = text(own.find((i) => nameOf(i) === C.BASIS_UID.value), '0040A124')
  const source = own.find((i) => nameOf(i) === C.BASIS.value && text(i, '0040A040') === 'COMPOSITE')
  const sopUid = text(first(source, '00081199'), '00081155')
  if (!uid || !sopUid) return undefined
  return { uid, sopUid, seriesUid: evidence.find((e) => e.sopUid === sopUid)?.seriesUid ?? '' }
}

/** The objects that a sequence of studies names. */
function referencesIn(ds: Dataset, tag: string): Reference[] {
  return items(ds, tag).flatMap((study) =>
    items(study, '00081115').flatMap((series) =>
      items(series, '00081199').map((o) => ({
        sopClass: text(o, '00081150'),
        sopUid: text(o, '00081155'),
        seriesUid: text(series, '0020000E'),
      })),
    ),
  )
}

type Head = Pick<Report, 'sopUid' | 'seriesUid' | 'author' | 'at' | 'evidence' | 'own'>

function groupOf(box: Dataset, head: Head): Group {
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
    author: head.own ? head.author : groupAuthor(own, head.author), // the server vouches for a saving's author only
    at: text(box, '0040A032') || head.at,
    basis: basisOf(own, head.evidence),
    report: { sopUid: head.sopUid, seriesUid: head.seriesUid },
    raw: box,
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
  if (nameOf(ds) !== C.REPORT.value) return undefined
  const head: Head = {
    sopUid: text(ds, '00080018'),
    seriesUid: text(ds, '0020000E'),
    author: authorOf(ds),
    at: `${text(ds, '00080023')}${text(ds, '00080033')}`,
    evidence: referencesIn(ds, '0040A375'),
    own: text(ds, '00080070') === MAKER && text(ds, '0008103E') === DESCRIPTION,
  }
  return {
    ...head,
    title: text(ds, '0008103E') || meaning(ds),
    number: number(ds, '00200013') ?? 0,
    groups: [...all(ds)].filter((i) => nameOf(i) === C.GROUP.value).map((box) => groupOf(box, head)),
    before: referencesIn(ds, '0040A360').map((r) => r.sopUid),
  }
}
