// SPDX-License-Identifier: Apache-2.0
// A segmentation or parametric map of the study as the viewer offers it.
import type { Scale } from './maps'

export type Rgb = [number, number, number]

export interface Segment {
  number: number
  label: string
  category: string
  colour: Rgb
  visible: boolean
}

export type SegmentationState = 'known' | 'loading' | 'shown' | 'hidden' | 'failed' | 'elsewhere'

export interface Segmentation {
  key: string // its series key
  sopUid: string
  description: string
  state: SegmentationState
  source: string | undefined // key of the series it was drawn on
  segments: Segment[]
  opacity: number
  scale?: Scale // of a parametric map; its range is known once it was loaded
}

/** Okabe and Ito's colours: told apart with every kind of colour vision. */
export const SAFE: Rgb[] = [
  [230, 159, 0],
  [86, 180, 233],
  [0, 158, 115],
  [240, 228, 66],
  [0, 114, 178],
  [213, 94, 0],
  [204, 121, 167],
]

export function safeColour(index: number): Rgb {
  return SAFE[index % SAFE.length] as Rgb
}
