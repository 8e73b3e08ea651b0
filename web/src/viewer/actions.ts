// SPDX-License-Identifier: Apache-2.0
// Everything a key or a button can do.
import { utilities } from '@cornerstonejs/core'
import { annotation } from '@cornerstonejs/tools'
import { hasImages, nearest } from './dicom/series'
import { toWorld } from './geometry'
import { setLinked } from './linking'
import { isReadOnly } from './measure/eraser'
import { saveMeasured } from './measure/saving'
import { setShown } from './overlays/show'
import { pressed, usePrefs, type Action } from './prefs'
import { fillSlots } from './slots'
import { GRID, view, type Layout, type Tool } from './store'
import { centreOf, chooseTool } from './toolset'
import { activePorts, activeSeries, allPorts, choosePreset, flip, goToSlice, invert, isStack, resetView, rotate, scrollBy } from './viewports'

const history = utilities.HistoryMemo.DefaultHistoryMemo

/** Note window and place, so that the next layout shows the same. */
function carry(): void {
  const { layout, slots, active, loaded } = view.get()
  const key = slots[active]?.series
  const port = activePorts()[0]
  if (!key || !port?.getDefaultActor()) return
  const images = loaded[key]?.images ?? []
  const plane = isStack(port) ? images[port.getCurrentImageIdIndex()]?.plane : undefined
  const middle = plane && toWorld(plane, [plane.columns / 2, plane.rows / 2])
  const position = layout === 'mpr' ? centreOf() : middle
  view.set({ carried: { series: key, range: port.getProperties()?.voiRange, position } })
  const found = layout === 'mpr' && position ? nearest(images, position) : undefined
  view.put(active, key, found?.index ?? (isStack(port) ? port.getCurrentImageIdIndex() : 0))
}

/** Change the layout. */
export function chooseLayout(layout: Layout): void {
  carry()
  view.set({ layout, notice: undefined })
  if (GRID[layout] <= view.get().active) view.set({ active: 0 })
  if (layout === '1x2' || layout === '2x2') fillSlots()
  if (layout !== 'mpr' && view.get().tool === 'crosshairs') chooseTool('window')
}

function stepSeries(step: number): void {
  const { active } = view.get()
  const all = view.get().studies.flatMap((s) => s.series).filter((s) => hasImages(s.modality))
  const at = all.findIndex((s) => s.key === activeSeries())
  const next = all[at + step]
  if (next) view.put(active, next.key)
}

function toEnd(last: boolean): void {
  const port = activePorts()[0]
  if (port) goToSlice(port, last ? port.getNumberOfSlices() - 1 : 0)
}

function removeSelected(): void {
  const chosen = annotation.selection.getAnnotationsSelected()
  if (chosen.length === 0) chooseTool('erase')
  const others = chosen.filter(isReadOnly)
  if (others.length > 0) view.say('measured.foreign')
  for (const uid of chosen.filter((c) => !others.includes(c))) annotation.state.removeAnnotation(uid)
  drawAll()
}

export function drawAll(): void {
  for (const port of allPorts()) port.render()
}

function toggleOverlays(): void {
  const { segmentations } = view.get()
  const on = segmentations.some((s) => s.state === 'shown')
  for (const s of segmentations) void setShown(s.key, !on)
}

const LAYOUTS: Partial<Record<Action, Layout>> = {
  layout1: '1x1', layout2: '1x2', layout4: '2x2', mpr: 'mpr', mip: 'mip', space: '3d',
}

const OTHERS: Partial<Record<Action, () => void>> = {
  invert,
  rotate,
  flipHorizontal: () => { flip('flipHorizontal') },
  flipVertical: () => { flip('flipVertical') },
  reset: resetView,
  undo: () => { history.undo(); drawAll() },
  redo: () => { history.redo(); drawAll() },
  save: () => { void saveMeasured() },
  texts: () => { view.set(({ texts }) => ({ texts: !texts })) },
  overlays: toggleOverlays,
  link: () => { setLinked(!view.get().linked) },
  erase: removeSelected,
  previousSeries: () => { stepSeries(-1) },
  nextSeries: () => { stepSeries(1) },
  previousSlice: () => { scrollBy(-1) },
  nextSlice: () => { scrollBy(1) },
  firstSlice: () => { toEnd(false) },
  lastSlice: () => { toEnd(true) },
}

/** Do an action; 'help' is the caller's. */
export function act(action: Action): void {
  const layout = LAYOUTS[action]
  const other = OTHERS[action]
  if (layout) chooseLayout(layout)
  else if (other) other()
  else if (action !== 'help') chooseTool(action as Tool)
}

function typing(event: KeyboardEvent): boolean {
  const at = event.target as HTMLElement | null
  return Boolean(at?.closest('input:not([type=checkbox]), textarea, select, [contenteditable=true], [role=dialog]'))
}

/** Listen to the keyboard. Returns the way to stop. */
export function listenToKeys(help: () => void): () => void {
  const down = (event: KeyboardEvent) => {
    if (typing(event) || event.defaultPrevented) return
    const key = pressed(event)
    if (/^[1-9]$/.test(key)) {
      choosePreset(Number(key))
      return
    }
    const found = Object.entries(usePrefs.getState().keys).find(([, k]) => k === key)
    if (!found) return
    event.preventDefault()
    if (found[0] === 'help') help()
    else act(found[0] as Action)
  }
  window.addEventListener('keydown', down, true)
  return () => {
    window.removeEventListener('keydown', down, true)
  }
}
