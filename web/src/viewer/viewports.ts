// SPDX-License-Identifier: Apache-2.0
// What can be done with the viewports, whatever they show.
import { Enums, type StackViewport, type Types, type VolumeViewport } from '@cornerstonejs/core'
import { number } from './dicom/dataset'
import { isRunning, theEngine } from './engine'
import { side, type Vec, minus } from './geometry'
import { usePrefs } from './prefs'
import { presetsFor, rangeOf, usualWindow } from './presets'
import { findSeries, view } from './store'

export type Port = StackViewport | VolumeViewport
export const MPR = ['mpr-axial', 'mpr-sagittal', 'mpr-coronal'] as const
export const stackId = (slot: number) => `stack-${slot}`

export function portOf(id: string): Port | undefined {
  if (!isRunning()) return undefined
  return theEngine().getViewport(id) as Port | undefined
}

export function isStack(port: Port): port is StackViewport {
  return port.type === Enums.ViewportType.STACK
}

/** The viewports that the keys and buttons act on. */
export function activePorts(): Port[] {
  const { layout, active } = view.get()
  const ids = layout === 'mpr' ? [...MPR] : layout === 'mip' ? ['mip'] : layout === '3d' ? [] : [stackId(active)]
  return ids.map(portOf).filter((p) => p !== undefined)
}

/** All viewports that show images now. */
export function allPorts(): Port[] {
  return isRunning() ? (theEngine().getViewports() as Port[]) : []
}

function each(change: (port: Port) => void): void {
  for (const port of activePorts()) {
    change(port)
    port.render()
  }
}

export function setWindow(centre: number, width: number): void {
  each((port) => {
    port.setProperties({ voiRange: rangeOf(centre, width) })
  })
}

/** Key n: 1 is the window of the image itself, 2-9 the presets of its modality. */
export function choosePreset(index: number): void {
  const item = findSeries(activeSeries())?.item
  const modality = item?.modality ?? ''
  const preset = presetsFor(modality, usePrefs.getState().windows[modality])[index - 2]
  if (index === 1) resetWindow()
  else if (preset) setWindow(preset.centre, preset.width)
}

export function resetWindow(): void {
  each((port) => {
    const range = ownWindow()
    if (isStack(port)) port.resetProperties()
    if (range) port.setProperties({ voiRange: range })
  })
}

/** The window written in the images of a series, else the usual one of its modality. */
export function ownWindow(key = activeSeries()): { lower: number; upper: number } | undefined {
  const ds = key ? view.get().loaded[key]?.images[0]?.dataset : undefined
  const centre = number(ds, '00281050')
  const width = number(ds, '00281051') ?? 0
  if (centre !== undefined && width >= 1) return rangeOf(centre, width)
  const item = findSeries(key)?.item
  const usual = usualWindow(item?.modality ?? '', item?.description ?? '')
  return usual && rangeOf(usual.centre, usual.width)
}

export function activeSeries(): string | undefined {
  const { slots, active } = view.get()
  return slots[active]?.series
}

export function invert(): void {
  each((port) => {
    port.setProperties({ invert: !port.getProperties()?.invert })
  })
}

export function flip(direction: 'flipHorizontal' | 'flipVertical'): void {
  each((port) => {
    port.setCamera({ [direction]: !port.getCamera()[direction] })
  })
}

export function rotate(): void {
  each((port) => {
    const { rotation = 0 } = port.getViewPresentation()
    port.setViewPresentation({ rotation: (rotation + 90) % 360 } as never)
  })
}

export function resetView(): void {
  each((port) => {
    port.setViewPresentation({ rotation: 0 } as never)
    port.setCamera({ flipHorizontal: false, flipVertical: false })
    port.resetCamera()
    port.setProperties({ invert: false })
  })
  resetWindow()
}

export function zoomBy(factor: number): void {
  each((port) => {
    port.setZoom(port.getZoom() * factor)
  })
}

export function scrollBy(steps: number): void {
  const port = activePorts()[0]
  if (port) port.scroll(steps)
}

export function goToSlice(port: Port, index: number): void {
  if (isStack(port)) void port.setImageIdIndex(Math.max(0, Math.min(index, port.getImageIds().length - 1)))
  else port.scroll(index - port.getSliceIndex())
}

export interface Sides {
  left: string
  right: string
  top: string
  bottom: string
}

const NONE: Sides = { left: '', right: '', top: '', bottom: '' }

/** The patient's sides at the borders, from where the corners of the picture lie in the patient. */
export function sidesOf(port: Port, placed: boolean): Sides {
  const { clientWidth: w, clientHeight: h } = port.element
  if (!placed || w < 8 || h < 8) return NONE
  const world = (x: number, y: number) => port.canvasToWorld([x, y] as Types.Point2) as unknown as Vec
  const middle = world(w / 2, h / 2)
  const right = minus(world(w / 2 + 10, h / 2), middle)
  const down = minus(world(w / 2, h / 2 + 10), middle)
  const back = (v: Vec): Vec => [-v[0], -v[1], -v[2]]
  return { left: side(back(right)), right: side(right), top: side(back(down)), bottom: side(down) }
}
