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
}
