// SPDX-License-Identifier: Apache-2.0
// Segmentations over the images: loaded when wanted, switched per segment, never burnt in.
import { Enums as CoreEnums, imageLoader, metaData, type Types } from '@cornerstonejs/core'
import { Enums, segmentation } from '@cornerstonejs/tools'
import { number, text, type Dataset } from '../dicom/dataset'
import { MAPS, seriesKey, type ViewImage } from '../dicom/series'
import { instanceBytes, seriesMetadata } from '../dicom/web'
import { imagesOfSeries } from '../loading'
import { usePrefs } from '../prefs'
import { findSeries, view, type StudyHere } from '../store'
import { allPorts, isStack } from '../viewports'
import { eachVoxel, framesOf, imageOf, pixelsOf, segmentsOf, sourceSeries } from './decode'
import { colourSteps, meaningOf, rangeOf, stepOf, valuesOf } from './maps'
import type { Segmentation } from './model'

const TYPE = Enums.SegmentationRepresentations.Labelmap
const heads = new Map<string, Dataset>()
const waiting = new Map<string, Promise<void>>()

function change(key: string, with_: Partial<Segmentation>): void {
  view.set(({ segmentations }) => ({ segmentations: segmentations.map((s) => (s.key === key ? { ...s, ...with_ } : s)) }))
}

const find = (key: string) => view.get().segmentations.find((s) => s.key === key)

/** List the segmentations of a study; their voxels come when they are shown. */
export async function listSegmentations(study: StudyHere): Promise<void> {
  for (const item of study.series.filter((s) => s.modality === 'SEG' || s.modality === MAPS)) {
    const all = await seriesMetadata(study.place, item.uid).catch(() => [])
    for (const ds of all) {
      const key = `${item.key}/${text(ds, '00080018')}`
      heads.set(key, ds)
      const source = sourceSeries(ds).map((uid) => seriesKey(study.place.studyUid, uid)).find((k) => findSeries(k))
      const entry: Segmentation = {
        key,
        sopUid: text(ds, '00080018'),
        description: text(ds, '0008103E') || text(ds, '00700081') || item.modality,
        state: 'known',
        source,
        segments: item.modality === MAPS ? [] : segmentsOf(ds),
        opacity: usePrefs.getState().opacity,
        ...(item.modality === MAPS ? { scale: { ...meaningOf(ds), lower: 0, upper: 0 } } : {}),
      }
      view.set(({ segmentations }) => ({ segmentations: [...segmentations.filter((s) => s.key !== key), entry] }))
    }
  }
}

export function forgetSegmentations(): void {
  heads.clear()
  waiting.clear()
  segmentation.removeAllSegmentationRepresentations()
  segmentation.removeAllSegmentations()
}

function labelImages(images: readonly ViewImage[]): Types.IImage[] {
  return imageLoader.createAndCacheDerivedLabelmapImages(images.map((i) => i.imageId))
}

/** Fill the labels with the steps of a map's numbers; the map's range becomes its scale. */
function paintMap(key: string, ds: Dataset, part10: Uint8Array, images: readonly ViewImage[], labels: Types.IImage[]): number {
  const values = valuesOf(part10, ds)
  const range = rangeOf(values)
  const size = (number(ds, '00280010') ?? 0) * (number(ds, '00280011') ?? 0)
  if (!range) return 0
  const bySop = new Map(images.map((image, index) => [image.sopUid, index]))
  let placed = 0
  framesOf(ds).forEach((frame, i) => {
    const target = labels[imageOf(frame, images, bySop)]?.voxelManager?.getScalarData()
    if (!target || target.length !== size) return
    placed += 1
    for (let at = 0; at < size; at += 1) target[at] = stepOf(values[i * size + at] ?? Number.NaN, range)
  })
  change(key, { scale: { ...meaningOf(ds), ...range } })
  return placed
}

function paintAll(ds: Dataset, part10: Uint8Array, images: readonly ViewImage[], labels: Types.IImage[]): number {
  const pixels = pixelsOf(part10)
  const frames = framesOf(ds)
  const size = (number(ds, '00280010') ?? 0) * (number(ds, '00280011') ?? 0)
  const bySop = new Map(images.map((image, index) => [image.sopUid, index]))
  const perSegment = new Map<number, number>()
  for (const f of frames) perSegment.set(f.segment, (perSegment.get(f.segment) ?? 0) + 1)
  // what spreads over fewer planes lies on top, e.g. a nodule over its lung
  const order = frames.map((_, i) => i).sort((a, b) => (perSegment.get(frames[b]?.segment ?? 0) ?? 0) - (perSegment.get(frames[a]?.segment ?? 0) ?? 0))
  let placed = 0
  for (const i of order) {
    const frame = frames[i]
    const label = frame && labels[imageOf(frame, images, bySop)]
    if (!frame || !label) continue
    placed += 1
    const target = label.voxelManager?.getScalarData()
    if (!target || target.length !== size) continue
    eachVoxel(pixels, i, size, frame.segment, (at, segment) => {
      target[at] = segment
    })
  }
  return placed
}

async function load(key: string): Promise<void> {
  const entry = find(key)
  const ds = heads.get(key)
  const owner = view.get().studies.find((s) => entry?.key.startsWith(`${s.place.studyUid}/`))
  if (!entry || !ds || !owner) return
  change(key, { state: 'loading' })
  try {
    const source = entry.source ?? (await sourceByPlace(ds, owner))
    if (!source) {
      change(key, { state: 'elsewhere' })
      return
    }
    const [part10, images] = await Promise.all([instanceBytes(owner.place, text(ds, '0020000E'), entry.sopUid), imagesOfSeries(source)])
    if (number(ds, '00280010') !== images[0]?.plane?.rows || number(ds, '00280011') !== images[0]?.plane?.columns) {
      change(key, { state: 'elsewhere' })
      return
    }
    const labels = labelImages(images)
    if ((entry.scale ? paintMap(key, ds, part10, images, labels) : paintAll(ds, part10, images, labels)) === 0) {
      change(key, { state: 'elsewhere' })
      return
    }
    segmentation.addSegmentations([
      {
        segmentationId: key,
        representation: { type: TYPE, data: { imageIds: labels.map((l) => l.imageId) } },
        config: { segments: Object.fromEntries(entry.segments.map((s) => [s.number, { segmentIndex: s.number, label: s.label }])) },
      } as never,
    ])
    change(key, { state: 'shown', source })
  } catch {
    change(key, { state: 'failed' })
  }
}

/** A segmentation that names no series: the one with the same frame of reference. */
async function sourceByPlace(ds: Dataset, study: StudyHere): Promise<string | undefined> {
  const wanted = text(ds, '00200052')
  for (const item of study.series) {
    if (!['CT', 'MR', 'PT', 'NM'].includes(item.modality)) continue
    const images = await imagesOfSeries(item.key).catch(() => [])
    if (wanted && images[0]?.frameOfReference === wanted) return item.key
  }
  return undefined
}

/** Show a segmentation or hide it. */
export async function setShown(key: string, shown: boolean): Promise<void> {
  if (!shown) {
    change(key, { state: 'hidden' })
    paint(key)
    return
  }
  if (!segmentation.state.getSegmentation(key)) {
    const job = waiting.get(key) ?? load(key).finally(() => waiting.delete(key))
    waiting.set(key, job)
    await job
  } else change(key, { state: 'shown' })
  await showSegmentations()
}

export function setSegmentVisible(key: string, segment: number, visible: boolean): void {
  const entry = find(key)
  if (!entry) return
  change(key, { segments: entry.segments.map((s) => (s.number === segment ? { ...s, visible } : s)) })
  paint(key)
}

export function setOpacity(key: string, opacity: number): void {
  change(key, { opacity })
  paint(key)
}

/** Show the segment of a finding. What was not shown before stays off, so organs do not hide it. */
export async function revealSegment(source: string, segment: number): Promise<void> {
  for (const s of view.get().segmentations) {
    if ((s.source && s.source !== source) || !s.segments.some((g) => g.number === segment)) continue
    if (s.state !== 'shown') change(s.key, { segments: s.segments.map((g) => ({ ...g, visible: false })) })
    setSegmentVisible(s.key, segment, true)
    await setShown(s.key, true)
  }
}

let colours: number | undefined

function mapColours(): number {
  colours ??= segmentation.config.color.addColorLUT(colourSteps())
  return colours
}

/** Put every shown segmentation onto every viewport of its series. */
export async function showSegmentations(): Promise<void> {
  for (const entry of view.get().segmentations) {
    if (entry.state !== 'shown' || !segmentation.state.getSegmentation(entry.key)) continue
    for (const port of allPorts()) {
      if (!shows(port, entry.source) || has(port.id, entry.key)) continue
      await segmentation.addSegmentationRepresentations(port.id, [{ segmentationId: entry.key, type: TYPE }])
      if (entry.scale) segmentation.config.color.setColorLUT(port.id, entry.key, mapColours())
    }
    paint(entry.key)
  }
}

function shows(port: ReturnType<typeof allPorts>[number], source: string | undefined): boolean {
  if (port.type === CoreEnums.ViewportType.VOLUME_3D || port.id === 'mip' || !port.getDefaultActor()) return false
  const imageId = isStack(port) ? port.getCurrentImageId() : port.getImageIds()[0]
  const series = imageId ? (metaData.get('generalSeriesModule', imageId) as { seriesInstanceUID?: string; studyInstanceUID?: string } | undefined) : undefined
  return Boolean(series?.seriesInstanceUID) && source?.endsWith(`/${series?.seriesInstanceUID ?? ''}`) === true
}

function has(port: string, key: string): boolean {
  return segmentation.state.getSegmentationRepresentations(port, { segmentationId: key, type: TYPE }).length > 0
}

/** Colours, what is switched on, and how opaque it is. */
function paint(key: string): void {
  const entry = find(key)
  if (!entry) return
  for (const port of allPorts()) {
    if (!has(port.id, key)) continue
    const which = { segmentationId: key, type: TYPE }
    if (entry.scale) {
      paintScale(port, entry)
      continue
    }
    for (const s of entry.segments) {
      segmentation.config.color.setSegmentIndexColor(port.id, key, s.number, [...s.colour, 255])
      segmentation.config.visibility.setSegmentIndexVisibility(port.id, which, s.number, entry.state === 'shown' && s.visible)
    }
    const style = { renderOutline: true, outlineWidth: 2, outlineOpacity: Math.min(1, entry.opacity * 2.5), renderFill: true, fillAlpha: entry.opacity }
    const quiet = { renderOutlineInactive: true, outlineWidthInactive: 2, outlineOpacityInactive: style.outlineOpacity, renderFillInactive: true, fillAlphaInactive: entry.opacity }
    segmentation.config.style.setStyle({ viewportId: port.id, ...which }, { ...style, ...quiet } as never)
    port.render()
  }
}

/** A map has no outlines: only its colours, as opaque as is wanted. */
function paintScale(port: ReturnType<typeof allPorts>[number], entry: Segmentation): void {
  const which = { segmentationId: entry.key, type: TYPE }
  const alpha = entry.state === 'shown' ? entry.opacity : 0
  const style = { renderOutline: false, renderFill: true, fillAlpha: alpha, renderOutlineInactive: false, renderFillInactive: true, fillAlphaInactive: alpha }
  segmentation.config.style.setStyle({ viewportId: port.id, ...which }, style as never)
  port.render()
}
