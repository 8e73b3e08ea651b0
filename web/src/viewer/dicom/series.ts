// SPDX-License-Identifier: Apache-2.0
// A series as the viewer shows it: its images in the order of their places in the patient.
import { cross, dot, length, minus, normalOf, unit, type Plane, type Vec } from '../geometry'
import { first, items, number, numbers, text, type Dataset } from './dataset'

export interface SeriesItem {
  key: string
  studyUid: string
  uid: string
  modality: string
  number: number
  description: string
  images: number
}

export interface ViewImage {
  imageId: string
  sopUid: string
  sopClass: string
  frame: number // 1-based
  frames: number
  instance: number
  plane: Plane | undefined
  frameOfReference: string
  dataset: Dataset
}

/** Why a series makes no volume; undefined: it makes one. */
export type VolumeTrouble = 'few' | 'geometry' | 'tilt' | 'gaps' | 'large' | 'colour'

/** Stands for the modality of a series of parametric maps, which is that of their source. */
export const MAPS = 'PMAP'

const NO_IMAGES = new Set([MAPS, 'SEG', 'SR', 'PR', 'KO', 'RTSTRUCT', 'RTPLAN', 'DOC', 'REG', 'AU', 'ECG', 'PLAN', 'FID'])

export function hasImages(modality: string): boolean {
  return !NO_IMAGES.has(modality)
}

/** The series to begin with: the largest one of images; scouts and single pictures come later. */
export function firstSeries(series: readonly SeriesItem[]): SeriesItem | undefined {
  const shown = series.filter((s) => hasImages(s.modality))
  const volumes = shown.filter((s) => s.images > 3)
  return (volumes.length > 0 ? volumes : shown)[0]
}

export function seriesKey(studyUid: string, uid: string): string {
  return `${studyUid}/${uid}`
}

/** The series out of the answer to a search. */
export function seriesItem(ds: Dataset, studyUid: string): SeriesItem {
  const uid = text(ds, '0020000E')
  return {
    key: seriesKey(studyUid, uid),
    studyUid,
    uid,
    modality: text(ds, '00080060'),
    number: number(ds, '00200011') ?? 0,
    description: text(ds, '0008103E'),
    images: number(ds, '00201209') ?? 0,
  }
}

function groupOf(ds: Dataset, frame: number, tag: string): Dataset | undefined {
  const own = first(items(ds, '52009230')[frame - 1], tag)
  return own ?? first(first(ds, '52009229'), tag)
}

/** The plane of a frame; undefined when the image has no place in the patient. */
export function planeOf(ds: Dataset, frame: number): Plane | undefined {
  const position = numbers(groupOf(ds, frame, '00209113') ?? ds, '00200032')
  const direction = numbers(groupOf(ds, frame, '00209116') ?? ds, '00200037')
  const spacing = numbers(groupOf(ds, frame, '00289110') ?? ds, '00280030')
  const [rowSpacing, columnSpacing] = spacing
  if (position.length !== 3 || direction.length !== 6 || !rowSpacing || !columnSpacing) return undefined
  return {
    position: position as Vec,
    row: unit(direction.slice(0, 3) as Vec),
    column: unit(direction.slice(3) as Vec),
    rowSpacing,
    columnSpacing,
    rows: number(ds, '00280010') ?? 0,
    columns: number(ds, '00280011') ?? 0,
  }
}

/** The images of a series from its metadata, in showing order. */
export function imagesOf(metadata: readonly Dataset[], root: string): ViewImage[] {
  const found: ViewImage[] = []
  for (const ds of metadata) {
    if (!number(ds, '00280010')) continue // no pixels
    const frames = number(ds, '00280008') ?? 1
    for (let frame = 1; frame <= frames; frame += 1) {
      const path = `${root}/instances/${text(ds, '00080018')}/frames/${frame}`
      found.push({
        imageId: `wadors:${path}`,
        sopUid: text(ds, '00080018'),
        sopClass: text(ds, '00080016'),
        frame,
        frames,
        instance: number(ds, '00200013') ?? 0,
        plane: planeOf(ds, frame),
        frameOfReference: text(ds, '00200052'),
        dataset: ds,
      })
    }
  }
  return inOrder(found)
}

function inOrder(images: ViewImage[]): ViewImage[] {
  const byNumber = (a: ViewImage, b: ViewImage) => a.instance - b.instance || a.frame - b.frame
  images.sort(byNumber)
  const start = images[0]?.plane
  if (!start || !images.every((i) => i.plane && alike(i.plane, start))) return images
  const normal = normalOf(start)
  const at = (i: ViewImage) => dot((i.plane ?? start).position, normal)
  const places = new Set(images.map((i) => at(i).toFixed(2)))
  if (places.size !== images.length) return images // several times at one place: by number
  const rising = at(images[images.length - 1] as ViewImage) >= at(images[0] as ViewImage)
  return images.sort((a, b) => (rising ? at(a) - at(b) : at(b) - at(a)))
}

function alike(a: Plane, b: Plane): boolean {
  return length(cross(normalOf(a), normalOf(b))) < 0.01 && dot(a.row, b.row) > 0.999
}

const LARGEST_SIDE = 2048
const LARGEST_BYTES = 1_200_000_000 // of 32-bit voxels on the graphics card

/** Tell why the images make no volume. */
export function volumeTrouble(images: readonly ViewImage[]): VolumeTrouble | undefined {
  const start = images[0]?.plane
  if (images.length < 4) return 'few'
  if (!start || !images.every((i) => i.plane && sameGrid(i.plane, start))) return 'geometry'
  if (images.some((i) => (number(i.dataset, '00280002') ?? 1) > 1)) return 'colour'
  const trouble = stepTrouble(images.map((i) => i.plane as Plane))
  if (trouble) return trouble
  const side = Math.max(start.rows, start.columns, images.length)
  if (side > LARGEST_SIDE || start.rows * start.columns * images.length * 4 > LARGEST_BYTES) return 'large'
  return undefined
}

function sameGrid(a: Plane, b: Plane): boolean {
  const sizes = a.rows === b.rows && a.columns === b.columns
  return sizes && alike(a, b) && Math.abs(a.rowSpacing - b.rowSpacing) + Math.abs(a.columnSpacing - b.columnSpacing) < 1e-3
}

function stepTrouble(planes: readonly Plane[]): VolumeTrouble | undefined {
  const start = planes[0] as Plane
  const normal = normalOf(start)
  const steps = planes.slice(1).map((p, i) => minus(p.position, (planes[i] as Plane).position))
  const along = steps.map((s) => Math.abs(dot(s, normal)))
  const typical = [...along].sort((a, b) => a - b)[along.length >> 1] ?? 0
  if (typical < 1e-3) return 'geometry'
  if (steps.some((s, i) => length(s) > (along[i] ?? 0) * 1.004 + 0.02)) return 'tilt'
  return along.some((a) => Math.abs(a - typical) > 0.05 * typical + 0.02) ? 'gaps' : undefined
}

/** The index of the image nearest to a point, and how far it lies from its plane in mm. */
export function nearest(images: readonly ViewImage[], point: Vec): { index: number; away: number } | undefined {
  let best: { index: number; away: number } | undefined
  images.forEach(({ plane }, index) => {
    if (!plane) return
    const away = Math.abs(dot(minus(point, plane.position), normalOf(plane)))
    if (!best || away < best.away) best = { index, away }
  })
  return best
}
