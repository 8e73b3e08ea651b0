// SPDX-License-Identifier: Apache-2.0
// The series as a volume: three planes with crosshairs, a projection, or a rendering in space.
import { Enums, getRenderingCapabilities, setVolumesForViewports, type Types, type VolumeViewport } from '@cornerstonejs/core'
import { useEffect, useRef, useState, type RefObject } from 'react'
import { useTranslation } from 'react-i18next'
import { ENGINE, isRunning, theEngine } from '../engine'
import { dropFirst } from '../first/state'
import { volumeId, volumeOf } from '../loading'
import { showSegmentations } from '../overlays/show'
import { rangeOf } from '../presets'
import { findSeries, useViewer, view, type Layout } from '../store'
import { centreAt, groupOf, REFORMATS, showCrosshairs, SPACE } from '../toolset'
import { ownWindow, portOf } from '../viewports'
import { watchSize } from './size'
import { Tile } from './tile'

interface PortPlan {
  id: string
  name: string
  colour?: string
  orientation: Enums.OrientationAxis
}

const PLANS: Record<'mpr' | 'mip' | '3d', PortPlan[]> = {
  mpr: [
    { id: 'mpr-axial', name: 'axial', colour: '#e8b04a', orientation: Enums.OrientationAxis.AXIAL },
    { id: 'mpr-sagittal', name: 'sagittal', colour: '#4aa8ff', orientation: Enums.OrientationAxis.SAGITTAL },
    { id: 'mpr-coronal', name: 'coronal', colour: '#58c98b', orientation: Enums.OrientationAxis.CORONAL },
  ],
  mip: [{ id: 'mip', name: 'mip', orientation: Enums.OrientationAxis.CORONAL }],
  '3d': [{ id: 'space', name: 'space', orientation: Enums.OrientationAxis.CORONAL }],
}

const SPACE_PRESET: Record<string, string> = { CT: 'CT-Bone', MR: 'MR-Default', PT: 'MR-MIP' }

function typeOf(layout: Layout): Enums.ViewportType {
  return layout === '3d' ? Enums.ViewportType.VOLUME_3D : Enums.ViewportType.ORTHOGRAPHIC
}

function extent(volume: Types.IImageVolume): number {
  return Math.hypot(...volume.dimensions.map((n, i) => n * (volume.spacing[i] ?? 1)))
}

/** Thin planes, or the brightest voxel of a slab. */
export function applySlab(slab: number): void {
  for (const { id } of PLANS.mpr) {
    const port = portOf(id) as VolumeViewport | undefined
    if (!port) continue
    const blend = slab > 0 ? Enums.BlendModes.MAXIMUM_INTENSITY_BLEND : Enums.BlendModes.COMPOSITE
    port.setBlendMode(blend)
    if (slab > 0) port.setSlabThickness(slab)
    else port.resetSlabThickness()
    port.render()
  }
}

/** Bones and vessels are bright in a projection: a soft-tissue window would be all white. */
function projectionWindow(key: string): { lower: number; upper: number } | undefined {
  return findSeries(key)?.item.modality === 'CT' ? rangeOf(450, 1700) : ownWindow(key)
}

async function fill(layout: 'mpr' | 'mip' | '3d', key: string): Promise<boolean> {
  const volume = await volumeOf(key)
  if (!volume || !isRunning()) return false
  const ids = PLANS[layout].map((p) => p.id)
  await setVolumesForViewports(theEngine(), [{ volumeId: volumeId(key) }], ids)
  const { carried } = view.get()
  const before = carried?.series === key ? carried : undefined
  const range = layout === 'mip' ? projectionWindow(key) : (before?.range ?? ownWindow(key))
  for (const id of ids) {
    const port = portOf(id) as VolumeViewport | undefined
    if (!port) return false
    if (layout === '3d') {
      const preset = SPACE_PRESET[findSeries(key)?.item.modality ?? ''] ?? 'CT-MIP'
      const coarse = getRenderingCapabilities().softwareRasterizer ? 8 : 1.5 // without a graphics card: coarse, but alive
      port.setProperties({ preset, sampleDistanceMultiplier: coarse })
    }
    else if (range) port.setProperties({ voiRange: range })
    if (layout === 'mip') {
      port.setBlendMode(Enums.BlendModes.MAXIMUM_INTENSITY_BLEND)
      port.setSlabThickness(extent(volume))
    }
  }
  theEngine().renderViewports(ids)
  if (layout === 'mpr') {
    applySlab(view.get().slab)
    showCrosshairs()
    if (before?.position) centreAt(before.position)
  }
  return true
}

export function Reformats({ layout }: { layout: 'mpr' | 'mip' | '3d' }) {
  const { t } = useTranslation('viewer')
  const series = useViewer((s) => s.slots[s.active]?.series)
  const first = useRef<HTMLDivElement>(null)
  const second = useRef<HTMLDivElement>(null)
  const third = useRef<HTMLDivElement>(null)
  const [ready, setReady] = useState('')
  const plans = PLANS[layout]

  useEffect(dropFirst, [])
  useEffect(() => {
    const divs = [first, second, third]
    const group = groupOf(layout === '3d' ? SPACE : REFORMATS)
    const stops: (() => void)[] = []
    plans.forEach(({ id, orientation }, i) => {
      const element = divs[i]?.current
      if (!element) return
      theEngine().enableElement({
        viewportId: id,
        type: typeOf(layout) as Enums.ViewportType.ORTHOGRAPHIC,
        element,
        defaultOptions: { background: [0, 0, 0], orientation },
      })
      group.addViewport(id, ENGINE)
      stops.push(watchSize(element))
    })
    return () => {
      for (const stop of stops) stop()
      for (const { id } of plans) {
        group.removeViewports(ENGINE, id)
        if (isRunning()) theEngine().disableElement(id)
      }
    }
  }, [layout, plans])

  useEffect(() => {
    if (!series) return
    let here = true
    fill(layout, series).then(
      (done) => {
        if (!here) return
        if (!done) view.set({ layout: '1x1' })
        if (done) setReady(series)
        if (done && layout === 'mpr') {
          void showSegmentations()
        }
      },
      () => {
        if (!here) return
        view.say('volume.failed')
        view.set({ layout: '1x1' })
      },
    )
    return () => {
      here = false
    }
  }, [layout, series])

  const refs: RefObject<HTMLDivElement | null>[] = [first, second, third]
  return plans.map(({ id, name, colour }, i) => (
    <Tile key={id} id={id} seriesKey={series} ready={ready !== '' && ready === series} element={refs[i] ?? first} name={t(`plane.${name}`)} colour={colour} />
  ))
}
