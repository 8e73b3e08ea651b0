// SPDX-License-Identifier: Apache-2.0
// A measurement of a reader, free of the drawing engine.
import type { Vec } from '../geometry'
import type { Tool } from '../store'

export type MeasureKind = Extract<Tool, 'length' | 'angle' | 'bidirectional' | 'ellipse' | 'rectangle' | 'probe' | 'arrow'>

/** One number of a measurement; ``unit``: UCUM. */
export interface Figure {
  name: 'length' | 'short' | 'angle' | 'area' | 'mean' | 'deviation' | 'minimum' | 'maximum' | 'value'
  value: number
  unit: string
}

/** Who measured: a person by account and name, or a program by its name and version. */
export interface Author {
  kind: 'person' | 'program'
  account: string // '' in reports that name none
  name: string // DICOM person name, or 'lung-ct 0.2.0'
}

/** Tell whether two authors are the same one: by account, and without one by name. */
export function sameAuthor(a: Author, b: Author): boolean {
  return a.kind === b.kind && a.account === b.account && (a.account !== '' || a.name === b.name)
}

/** The measurement of somebody else that one was taken over from, as it stood in a report. */
export interface Basis {
  uid: string // its tracking UID
  sopUid: string // of the report
  seriesUid: string
}

export interface Measured {
  id: string
  uid: string // DICOM tracking UID
  kind: MeasureKind
  label: string
  points: Vec[] // LPS mm, as the drawing engine keeps them
  figures: Figure[]
  frameOfReference: string
  seriesUid: string
  studyUid: string
  sopUid: string // '' when drawn on a reformatted plane
  sopClass: string
  frame: number
  normal: Vec | undefined
  up: Vec | undefined
  author: Author
  own: boolean // of the reader who looks
  at: string // when it was last changed, DICOM DT
  saved: boolean
  basis: Basis | undefined
}
