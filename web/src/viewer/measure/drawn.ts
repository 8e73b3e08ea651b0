// SPDX-License-Identifier: Apache-2.0
// Between the drawing engine's annotations and measurements.
import { metaData } from '@cornerstonejs/core'
import { annotation, type Types as ToolTypes } from '@cornerstonejs/tools'
import { readerName } from '../words'
import { cross, toPixel, toWorld, unit, type Plane, type Vec } from '../geometry'
import { view } from '../store'
import { toolName, toolOf } from '../toolset'
import type { Group } from './reading'
import { readOnly } from './eraser'
import { sameAuthor, type Author, type Basis, type Figure, type Measured } from './model'
import { newUid } from './writing'

type Stats = Record<string, unknown>
const uids = new Map<string, string>() // annotation -> tracking UID
const kept = new Map<string, Figure[]>() // tracking UID -> saved numbers, until it is drawn again
const origins = new Map<string, Origin>() // tracking UID -> whose it is; without: drawn here, not saved yet
let me: Author = { kind: 'person', account: '', name: '' }

interface Origin {
  author: Author
  at: string
  saved: boolean
  basis: Basis | undefined
  report: { sopUid: string; seriesUid: string } | undefined
}

/** Take the reader whose drawings are from now on. */
export function drawAs(reader: Author): void {
  me = reader
}

/** The tracking UID of a drawing; a new one gets its own. */
export function trackingOf(drawn: string): string {
  const uid = uids.get(drawn) ?? newUid()
  uids.set(drawn, uid)
  return uid
}

function drawingOf(uid: string): string | undefined {
  const id = [...uids].find(([, known]) => known === uid)?.[0]
  return id !== undefined && annotation.state.getAnnotation(id) ? id : undefined
}

export function isDrawn(uid: string): boolean {
  return drawingOf(uid) !== undefined
}

/** Take a drawing off the picture, e.g. because its author took it away. */
export function undraw(uid: string): void {
  const id = drawingOf(uid)
  if (id !== undefined) annotation.state.removeAnnotation(id)
}

export function isMine(uid: string): boolean {
  const author = origins.get(uid)?.author
  return !author || sameAuthor(author, me)
}

/** Note that a drawing of the reader was changed at a moment, or saved. */
export function noteChange(uid: string, at: string, saved: boolean): void {
  const known = origins.get(uid)
  origins.set(uid, { author: me, basis: known?.basis, report: known?.report, at, saved })
}

/** Whether the drawn one is what a report says; undefined when it was not drawn out of a report. */
export function drawnSince(uid: string): string | undefined {
  const known = origins.get(uid)
  return known?.saved && isDrawn(uid) ? known.at : undefined
}

const SAVED: [RegExp, Figure['name']][] = [
  [/^(Length|Long Axis)$/, 'length'],
  [/^Short Axis$/, 'short'],
  [/^Angle$/, 'angle'],
  [/^Area$/, 'area'],
  [/\(Mean\)$/, 'mean'],
  [/\(Standard Deviation\)$/, 'deviation'],
  [/\(Minimum\)$/, 'minimum'],
  [/\(Maximum\)$/, 'maximum'],
]

/** The numbers of a saved measurement. */
export function savedFigures(group: Group): Figure[] {
  return group.numbers.map(({ name, value, unit: unitName }) => ({
    name: SAVED.find(([pattern]) => pattern.test(name))?.[1] ?? 'value',
    value,
    unit: unitName,
  }))
}

interface PlaneModule {
  rowCosines?: Vec | null
  columnCosines?: Vec | null
  imagePositionPatient?: Vec
  rowPixelSpacing?: number
  columnPixelSpacing?: number
  rows: number
  columns: number
  frameOfReferenceUID?: string
}

/** The plane in which the engine draws an image, also for images without a place in the patient. */
export function drawnPlane(imageId: string): Plane | undefined {
  const found = metaData.get('imagePlaneModule', imageId) as PlaneModule | undefined
  if (!found) return undefined
  return {
    position: Array.from(found.imagePositionPatient ?? [0, 0, 0]) as Vec,
    row: Array.from(found.rowCosines ?? [1, 0, 0]) as Vec,
    column: Array.from(found.columnCosines ?? [0, 1, 0]) as Vec,
    rowSpacing: found.rowPixelSpacing ?? 1,
    columnSpacing: found.columnPixelSpacing ?? 1,
    rows: found.rows,
    columns: found.columns,
  }
}

function numberIn(stats: Stats, name: string): number | undefined {
  const value: unknown = Array.isArray(stats[name]) ? (stats[name] as unknown[])[0] : stats[name]
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

const UCUM: Record<string, string> = { mm: 'mm', 'mm²': 'mm2', px: '{pixels}', 'px²': '{pixels}2', HU: "[hnsf'U]", SUV: '{SUVbw}g/ml' }

function ucum(unitName: unknown): string {
  const short = typeof unitName === 'string' ? (unitName.split(' ')[0] ?? '') : ''
  return UCUM[short] ?? '1'
}

function figures(kind: Measured['kind'], stats: Stats): Figure[] {
  const found: Figure[] = []
  const add = (name: Figure['name'], key: string, unitName: string) => {
    const value = numberIn(stats, key)
    if (value !== undefined) found.push({ name, value, unit: unitName })
  }
  const pixelUnit = ucum(stats.modalityUnit)
  if (kind === 'length' || kind === 'bidirectional') add('length', 'length', ucum(stats.unit))
  if (kind === 'bidirectional') add('short', 'width', ucum(stats.unit))
  if (kind === 'angle') add('angle', 'angle', 'deg')
  if (kind === 'probe') add('value', 'value', pixelUnit)
  if (kind === 'ellipse' || kind === 'rectangle') {
    add('area', 'area', ucum(stats.areaUnit))
    add('mean', 'mean', pixelUnit)
    add('deviation', 'stdDev', pixelUnit)
    add('minimum', 'min', pixelUnit)
    add('maximum', 'max', pixelUnit)
  }
  return found
}

interface Owner {
  studyUid: string
  seriesUid: string
  sopUid: string
  sopClass: string
  frame: number
  frameOfReference: string
}

function ownerOf(imageId: string | undefined, frameOfReference: string): Owner | undefined {
  for (const study of view.get().studies) {
    for (const item of study.series) {
      const images = view.get().loaded[item.key]?.images ?? []
      const image = imageId ? images.find((i) => i.imageId === imageId) : undefined
      const base = { studyUid: study.place.studyUid, seriesUid: item.uid }
      if (image) return { ...base, sopUid: image.sopUid, sopClass: image.sopClass, frame: image.frame, frameOfReference: image.frameOfReference }
      if (!imageId && images[0]?.frameOfReference === frameOfReference) return { ...base, sopUid: '', sopClass: '', frame: 1, frameOfReference }
    }
  }
  return undefined
}

function inPlane(plane: Plane, points: readonly Vec[]): boolean {
  const normal = cross(plane.row, plane.column)
  return points.every((p) => Math.abs(p.reduce((sum, v, i) => sum + (v - (plane.position[i] ?? 0)) * (normal[i] ?? 0), 0)) < 0.05)
}

/** A drawn annotation as a measurement; undefined for what is no measurement of an open study. */
export function measuredOf(drawn: ToolTypes.Annotation): Measured | undefined {
  const kind = toolOf(drawn.metadata?.toolName ?? '')
  const points = (drawn.data.handles?.points ?? []).map((p) => Array.from(p) as Vec)
  if (!kind || !drawn.annotationUID || points.length === 0) return undefined
  const frameOfReference = drawn.metadata?.FrameOfReferenceUID ?? ''
  const imageId = drawn.metadata?.referencedImageId
  const plane = imageId ? drawnPlane(imageId) : undefined
  const owner = ownerOf(plane && inPlane(plane, points) ? imageId : undefined, frameOfReference)
  if (!owner) return undefined
  const stats = Object.values(drawn.data.cachedStats ?? {})[0] as Stats | undefined
  const uid = trackingOf(drawn.annotationUID)
  const origin = origins.get(uid)
  return {
    ...owner,
    id: drawn.annotationUID,
    uid,
    kind: kind as Measured['kind'],
    label: (drawn.data.label ?? '').trim(),
    points,
    figures: stats ? figures(kind as Measured['kind'], stats) : (kept.get(uid) ?? []),
    normal: drawn.metadata?.viewPlaneNormal as Vec | undefined,
    up: drawn.metadata?.viewUp as Vec | undefined,
    author: origin?.author ?? me,
    own: isMine(uid),
    at: origin?.at ?? '',
    saved: origin?.saved ?? false,
    basis: origin?.basis,
  }
}

/** (column, row) of a measurement in its image; undefined when it lies in none. */
export function pixelsOf(measured: Measured): [number, number][] | undefined {
  const image = imageOf(measured.sopUid, measured.frame)
  const plane = image && drawnPlane(image.imageId)
  if (!plane) return undefined
  return measured.points.map((p) => toPixel(plane, p).map((v) => v + 0.5) as [number, number])
}

function imageOf(sopUid: string, frame: number) {
  if (!sopUid) return undefined
  for (const loaded of Object.values(view.get().loaded)) {
    const found = loaded?.images.find((i) => i.sopUid === sopUid && (i.frames === 1 || i.frame === frame))
    if (found) return found
  }
  return undefined
}

/** Draw a saved measurement again; false when its image is not loaded yet. */
export function restore(group: Group): boolean {
  if (!group.kind) return false
  const image = imageOf(group.sopUid, group.frame)
  const plane = image && drawnPlane(image.imageId)
  const points = plane && group.pixels ? group.pixels.map(([c, r]) => toWorld(plane, [c - 0.5, r - 0.5])) : group.space
  const frame = plane ? (metaData.get('imagePlaneModule', image.imageId) as PlaneModule).frameOfReferenceUID : group.frameOfReference
  if (!points || (group.pixels && !plane) || !frame) return false
  if (isDrawn(group.uid)) return true
  const id = crypto.randomUUID()
  uids.set(id, group.uid)
  kept.set(group.uid, savedFigures(group))
  origins.set(group.uid, { author: group.author, at: group.at, saved: true, basis: group.basis, report: group.report })
  const own = isMine(group.uid)
  annotation.state.addAnnotation(
    {
      annotationUID: id,
      highlighted: false,
      isLocked: !own,
      isVisible: true,
      invalidated: true,
      metadata: {
        toolName: toolName(group.kind),
        FrameOfReferenceUID: frame,
        ...(plane ? { referencedImageId: image.imageId } : {}),
        viewPlaneNormal: plane ? cross(plane.column, plane.row) : normalOf(points),
        viewUp: plane ? (plane.column.map((v) => -v) as Vec) : undefined,
      } as never,
      data: {
        label: group.comment,
        text: group.comment,
        author: own ? '' : readerName(group.author.name),
        handles: { points, activeHandleIndex: null, textBox: { hasMoved: false, worldPosition: [0, 0, 0] } },
        cachedStats: {},
      } as never,
    },
    frame,
  )
  if (!own) readOnly(id)
  return true
}

/** Take over a measurement of somebody else: an own one at the same place that names its source. */
export function takeOver(id: string): string | undefined {
  const source = annotation.state.getAnnotation(id)
  const uid = uids.get(id)
  const origin = uid === undefined ? undefined : origins.get(uid)
  if (!source || uid === undefined || !origin?.report) return undefined
  const copy = crypto.randomUUID()
  const { handles, label, text: words } = structuredClone({
    handles: { points: source.data.handles?.points?.map((p) => Array.from(p)) ?? [] },
    label: source.data.label,
    text: (source.data as { text?: string }).text,
  })
  const made = trackingOf(copy)
  origins.set(made, { author: me, at: '', saved: false, basis: { uid, ...origin.report }, report: undefined })
  annotation.state.addAnnotation(
    {
      annotationUID: copy,
      highlighted: false,
      isLocked: false,
      isVisible: true,
      invalidated: true,
      metadata: { ...source.metadata } as never,
      data: {
        label,
        text: words,
        handles: { ...handles, activeHandleIndex: null, textBox: { hasMoved: false, worldPosition: [0, 0, 0] } },
        cachedStats: {},
      } as never,
    },
    source.metadata?.FrameOfReferenceUID ?? '',
  )
  return made
}

/** The normal of points in space: of the plane through them, or the main axis they do not use. */
function normalOf(points: readonly Vec[]): Vec {
  const [a, b, c] = points
  if (a && b && c) {
    const n = cross([b[0] - a[0], b[1] - a[1], b[2] - a[2]], [c[0] - a[0], c[1] - a[1], c[2] - a[2]])
    if (Math.hypot(...n) > 1e-6) return unit(n)
  }
  if (!a || !b) return [0, 0, 1]
  const used = [0, 1, 2].map((i) => Math.abs((b[i] ?? 0) - (a[i] ?? 0)))
  const axis = used.indexOf(Math.min(...used))
  return [0, 1, 2].map((i) => (i === axis ? 1 : 0)) as Vec
}

export function forgetDrawn(): void {
  uids.clear()
  kept.clear()
  origins.clear()
  annotation.locking.unlockAllAnnotations()
  annotation.state.removeAllAnnotations()
}
