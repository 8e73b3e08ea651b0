// SPDX-License-Identifier: Apache-2.0
// State of the open viewer, outside React's rendering.
import { create } from 'zustand'
import type { Vec } from './geometry'
import type { SeriesItem, ViewImage } from './dicom/series'
import type { Place } from './dicom/web'
import type { Measured } from './measure/model'
import type { Segmentation } from './overlays/model'

export type Layout = '1x1' | '1x2' | '2x2' | 'mpr' | 'mip' | '3d'
export const GRID: Record<Layout, number> = { '1x1': 1, '1x2': 2, '2x2': 4, mpr: 3, mip: 1, '3d': 1 }

export type Tool =
  | 'window'
  | 'scroll'
  | 'pan'
  | 'zoom'
  | 'length'
  | 'angle'
  | 'bidirectional'
  | 'ellipse'
  | 'rectangle'
  | 'probe'
  | 'arrow'
  | 'erase'
  | 'crosshairs'

export interface StudyHere {
  place: Place
  date: string
  description: string
  prior: boolean
  series: SeriesItem[]
}

export interface Loaded {
  images: ViewImage[]
  done: number // frames here
  failed: number
}

export interface Slot {
  series: string | undefined // its key
  start: number // index to show first
}

/** A place to go to, e.g. of a finding. */
export interface Target {
  seriesUid: string | null
  sopUid: string | null
  frame?: number | null
  position?: Vec | null
  segment?: number | null
}

/** What a change of the layout takes along. */
export interface Carried {
  series: string
  range: { lower: number; upper: number } | undefined
  position: Vec | undefined
}

interface State {
  studies: StudyHere[]
  slots: Slot[]
  active: number
  layout: Layout
  tool: Tool
  linked: boolean
  slab: number // mm, 0: thin; of the reformatted planes
  texts: boolean // overlay texts shown
  loaded: Record<string, Loaded | undefined>
  segmentations: Segmentation[]
  measured: Measured[]
  unsaved: boolean
  notice: { key: string; values?: Record<string, string | number> } | undefined
  target: (Target & { asked: number }) | undefined
  carried: Carried | undefined
  mark: { position: Vec; studyUid: string } | undefined
  asking: ((text: string | null) => void) | undefined // waits for the words of an arrow
}

const EMPTY: State = {
  studies: [],
  slots: [0, 1, 2, 3].map(() => ({ series: undefined, start: 0 })),
  active: 0,
  layout: '1x1',
  tool: 'window',
  linked: false,
  slab: 0,
  texts: true,
  loaded: {},
  segmentations: [],
  measured: [],
  unsaved: false,
  notice: undefined,
  target: undefined,
  carried: undefined,
  mark: undefined,
  asking: undefined,
}

export const useViewer = create<State>(() => EMPTY)

export const view = {
  get: useViewer.getState,
  set: useViewer.setState,
  reset: (layout: Layout) => {
    useViewer.setState({ ...EMPTY, layout })
  },
  put: (slot: number, series: string, start = 0) => {
    useViewer.setState(({ slots }) => ({ slots: slots.map((s, i) => (i === slot ? { series, start } : s)) }))
  },
  count: (key: string, change: (before: Loaded) => Loaded) => {
    useViewer.setState(({ loaded }) => {
      const before = loaded[key]
      return before ? { loaded: { ...loaded, [key]: change(before) } } : {}
    })
  },
  say: (key: string, values?: Record<string, string | number>) => {
    useViewer.setState({ notice: values ? { key, values } : { key } })
  },
}

/** The study and the list entry of a series. */
export function findSeries(key: string | undefined): { study: StudyHere; item: SeriesItem } | undefined {
  for (const study of useViewer.getState().studies) {
    const item = study.series.find((s) => s.key === key)
    if (item) return { study, item }
  }
  return undefined
}
