// SPDX-License-Identifier: Apache-2.0
// Measurements as a Comprehensive 3D SR, TID 1500, in DICOM JSON (stored by STOW).
import type { Dataset } from '../dicom/dataset'
import type { Vec } from '../geometry'
import * as C from './codes'
import type { Author, Measured } from './model'
import { dicomDate, dicomTime } from './moments'
import type { Group } from './reading'

export const SR_3D = '1.2.840.10008.5.1.4.1.1.88.34'
export const DESCRIPTION = 'Measurements (HealthVision viewer)'
export const MAKER = 'HealthVision'

export interface Saving {
  reader: Author
  source: Dataset // an image of the study, for patient and study
  seriesUid: string
  sopUid: string
  number: number // 1, 2, ... of savings in the series
  at: Date
  before: readonly { sopUid: string; seriesUid: string }[] // savings that this one replaces
  kept: readonly Group[] // written again as they were
  evidence: readonly Reference[] // of the savings before
  /** (column, row) of points in an image, its first pixel's centre being (0.5, 0.5). */
  pixelsOf: (measured: Measured) => [number, number][] | undefined
}

const COPIED = [
  '00080020', '00080030', '00080050', '00080090', '00100010', '00100020', '00100021', '00100030', '00100040',
  '0020000D', '00200010',
]

/** A UID out of a random UUID (PS3.5 B.2). */
export function newUid(): string {
  return `2.25.${BigInt(`0x${crypto.randomUUID().replaceAll('-', '')}`).toString()}`
}

function item(relation: string, type: string, name: C.Code | undefined, more: Dataset): Dataset {
  return {
    ...(relation ? { '0040A010': { vr: 'CS', Value: [relation] } } : {}),
    '0040A040': { vr: 'CS', Value: [type] },
    ...(name ? { '0040A043': { vr: 'SQ', Value: [C.codeItem(name)] } } : {}),
    ...more,
  }
}

const content = (items: Dataset[]): Dataset => ({ '0040A730': { vr: 'SQ', Value: items } })
const coded = (relation: string, name: C.Code, value: C.Code) =>
  item(relation, 'CODE', name, { '0040A168': { vr: 'SQ', Value: [C.codeItem(value)] } })
const words = (relation: string, name: C.Code, text: string) =>
  item(relation, 'TEXT', name, { '0040A160': { vr: 'UT', Value: [text] } })

function box(relation: string, name: C.Code, template: string, items: Dataset[]): Dataset {
  return item(relation, 'CONTAINER', name, {
    '0040A050': { vr: 'CS', Value: ['SEPARATE'] },
    '0040A504': {
      vr: 'SQ',
      Value: [{ '00080105': { vr: 'CS', Value: ['DCMR'] }, '0040DB00': { vr: 'CS', Value: [template] } }],
    },
    ...content(items),
  })
}

function closed<T>(points: T[], kind: string): T[] {
  const [a, b, c, d] = points
  return kind === 'rectangle' && a && b && c && d ? [a, b, d, c, a] : points
}

function majorFirst<T>(points: T[], distance: (a: T, b: T) => number): T[] {
  const [a, b, c, d] = points
  if (!a || !b || !c || !d) return points
  return distance(a, b) >= distance(c, d) ? [a, b, c, d] : [c, d, a, b]
}

function apart(a: readonly number[], b: readonly number[]): number {
  return Math.hypot(...a.map((v, i) => v - (b[i] ?? 0)))
}

function graphicType(kind: Measured['kind'], space: boolean): string {
  if (kind === 'ellipse') return 'ELLIPSE'
  if (kind === 'probe') return 'POINT'
  return kind === 'rectangle' && space ? 'POLYGON' : 'POLYLINE'
}

function figurePoints<T extends readonly number[]>(measured: Measured, points: T[]): T[] {
  return measured.kind === 'ellipse' ? majorFirst(points, apart) : closed(points, measured.kind)
}

/** Where the measurement was drawn: in an image, or in space when on a reformatted plane. */
function place(measured: Measured, saving: Saving, relation: string, name: C.Code): Dataset {
  const pixels = saving.pixelsOf(measured)
  if (!pixels) {
    const data = figurePoints<Vec>(measured, measured.points).flat()
    return item(relation, 'SCOORD3D', name, {
      '00700022': { vr: 'FL', Value: data },
      '00700023': { vr: 'CS', Value: [graphicType(measured.kind, true)] },
      '30060024': { vr: 'UI', Value: [measured.frameOfReference] },
    })
  }
  const image: Dataset = {
    '00081150': { vr: 'UI', Value: [measured.sopClass] },
    '00081155': { vr: 'UI', Value: [measured.sopUid] },
    ...(measured.frame > 1 ? { '00081160': { vr: 'IS', Value: [measured.frame] } } : {}),
  }
  return item(relation, 'SCOORD', name, {
    '00700022': { vr: 'FL', Value: figurePoints(measured, pixels).flat() },
    '00700023': { vr: 'CS', Value: [graphicType(measured.kind, false)] },
    ...content([item('SELECTED FROM', 'IMAGE', undefined, { '00081199': { vr: 'SQ', Value: [image] } })]),
  })
}

function group(measured: Measured, saving: Saving): Dataset {
  const region = measured.kind === 'ellipse' || measured.kind === 'rectangle' || measured.figures.length === 0
  const numbers = measured.figures.map((figure) => {
    const { name, derivation } = C.meaningOf(figure, measured.kind)
    const value: Dataset = {
      '0040A30A': { vr: 'DS', Value: [Number(figure.value.toPrecision(10))] },
      '004008EA': { vr: 'SQ', Value: [C.codeItem({ value: figure.unit, scheme: 'UCUM', meaning: figure.unit === '1' ? 'no units' : figure.unit })] },
    }
    const under = [
      ...(derivation ? [coded('HAS CONCEPT MOD', C.DERIVATION, derivation)] : []),
      ...(region ? [] : [place(measured, saving, 'INFERRED FROM', C.PATH)]),
    ]
    return item('CONTAINS', 'NUM', name, {
      '0040A300': { vr: 'SQ', Value: [value] },
      ...(under.length > 0 ? content(under) : {}),
    })
  })
  const made = box('CONTAINS', C.GROUP, region ? '1410' : '1501', [
    words('HAS OBS CONTEXT', C.TRACKING, `HealthVision:${measured.kind}`),
    item('HAS OBS CONTEXT', 'UIDREF', C.TRACKING_UID, { '0040A124': { vr: 'UI', Value: [measured.uid] } }),
    ...(region ? [place(measured, saving, 'CONTAINS', C.REGION)] : []),
    ...numbers,
    ...(measured.label ? [words('CONTAINS', C.COMMENT, measured.label)] : []),
    ...basis(measured),
  ])
  return { ...made, '0040A032': { vr: 'DT', Value: [measured.at] } }
}

/** What was taken over from somebody else names the report and the measurement it came from. */
function basis({ basis: from }: Measured): Dataset[] {
  if (!from) return []
  const report: Dataset = { '00081150': { vr: 'UI', Value: [SR_3D] }, '00081155': { vr: 'UI', Value: [from.sopUid] } }
  return [
    item('CONTAINS', 'COMPOSITE', C.BASIS, { '00081199': { vr: 'SQ', Value: [report] } }),
    item('CONTAINS', 'UIDREF', C.BASIS_UID, { '0040A124': { vr: 'UI', Value: [from.uid] } }),
  ]
}

/** The objects that the measurements of a saving name. */
function evidenceOf(all: readonly Measured[], saving: Saving): Reference[] {
  const named = new Set(saving.kept.flatMap((g) => [g.sopUid, g.basis?.sopUid ?? '']))
  const drawn = all.filter((m) => m.sopUid !== '')
  const sources = all.flatMap((m) => (m.basis ? [{ sopClass: SR_3D, sopUid: m.basis.sopUid, seriesUid: m.basis.seriesUid }] : []))
  return [...saving.evidence.filter((e) => named.has(e.sopUid)), ...drawn, ...sources]
}

export interface Reference {
  sopClass: string
  sopUid: string
  seriesUid: string
}

function references(studyUid: string, all: readonly Reference[]): Dataset {
  const bySeries = new Map<string, Map<string, string>>()
  for (const { seriesUid, sopUid, sopClass } of all) {
    bySeries.set(seriesUid, (bySeries.get(seriesUid) ?? new Map<string, string>()).set(sopUid, sopClass))
  }
  const series = [...bySeries].map(([uid, objects]) => ({
    '0020000E': { vr: 'UI', Value: [uid] },
    '00081199': {
      vr: 'SQ',
      Value: [...objects].map(([sop, sopClass]) => ({
        '00081150': { vr: 'UI', Value: [sopClass] },
        '00081155': { vr: 'UI', Value: [sop] },
      })),
    },
  }))
  return { '0020000D': { vr: 'UI', Value: [studyUid] }, '00081115': { vr: 'SQ', Value: series } }
}

function header(saving: Saving): Dataset {
  const { at, source } = saving
  const copied = Object.fromEntries(COPIED.map((tag) => [tag, source[tag]]).filter(([, e]) => e !== undefined)) as Dataset
  return {
    '00080020': { vr: 'DA' }, '00080030': { vr: 'TM' }, '00080050': { vr: 'SH' }, '00080090': { vr: 'PN' },
    '00100010': { vr: 'PN' }, '00100020': { vr: 'LO' }, '00100030': { vr: 'DA' }, '00100040': { vr: 'CS' }, '00200010': { vr: 'SH' },
    ...copied,
    '00080016': { vr: 'UI', Value: [SR_3D] },
    '00080018': { vr: 'UI', Value: [saving.sopUid] },
    '00080023': { vr: 'DA', Value: [dicomDate(at)] },
    '00080033': { vr: 'TM', Value: [dicomTime(at)] },
    '00080060': { vr: 'CS', Value: ['SR'] },
    '00080070': { vr: 'LO', Value: [MAKER] },
    '00081090': { vr: 'LO', Value: ['Web viewer'] },
    '00181000': { vr: 'LO', Value: ['1'] },
    '00181020': { vr: 'LO', Value: ['1'] },
    '0008103E': { vr: 'LO', Value: [DESCRIPTION] },
    '00081111': { vr: 'SQ', Value: [] },
    '0020000E': { vr: 'UI', Value: [saving.seriesUid] },
    '00200011': { vr: 'IS', Value: [9800] },
    '00200013': { vr: 'IS', Value: [saving.number] },
    '0040A372': { vr: 'SQ', Value: [] },
    '0040A491': { vr: 'CS', Value: ['PARTIAL'] },
    '0040A493': { vr: 'CS', Value: ['UNVERIFIED'] },
  }
}

/** The report of one reader: what was drawn or changed, and what stays as it was written before. */
export function writeReport(all: readonly Measured[], saving: Saving): Dataset {
  const studyUid = String(saving.source['0020000D']?.Value?.[0] ?? '')
  const evidence = evidenceOf(all, saving)
  const before = saving.before.map((b) => ({ ...b, sopClass: SR_3D }))
  const groups = [...saving.kept.map((g) => g.raw), ...all.map((m) => group(m, saving))]
  return {
    ...header(saving),
    ...(evidence.length > 0 ? { '0040A375': { vr: 'SQ', Value: [references(studyUid, evidence)] } } : {}),
    ...(before.length > 0 ? { '0040A360': { vr: 'SQ', Value: [references(studyUid, before)] } } : {}),
    ...box('', C.REPORT, '1500', [
      coded('HAS CONCEPT MOD', C.LANGUAGE, C.ENGLISH),
      coded('HAS OBS CONTEXT', C.OBSERVER_TYPE, C.PERSON),
      item('HAS OBS CONTEXT', 'PNAME', C.OBSERVER, { '0040A123': { vr: 'PN', Value: [{ Alphabetic: saving.reader.name }] } }),
      ...(saving.reader.account ? [words('HAS OBS CONTEXT', C.ACCOUNT, saving.reader.account)] : []),
      coded('HAS CONCEPT MOD', C.PROCEDURE, C.IMAGING),
      item('CONTAINS', 'CONTAINER', C.MEASUREMENTS, {
        '0040A050': { vr: 'CS', Value: ['SEPARATE'] },
        ...(groups.length > 0 ? content(groups) : {}),
      }),
    ]),
  }
}
