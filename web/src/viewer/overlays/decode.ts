// SPDX-License-Identifier: Apache-2.0
// Frames of a segmentation out of its Part 10 bytes: BINARY (bits over all frames) and LABELMAP.
import dicomParser from 'dicom-parser'
import { first, items, number, numbers, text, texts, type Dataset } from '../dicom/dataset'
import { nearest, type ViewImage } from '../dicom/series'
import type { Vec } from '../geometry'
import { safeColour, type Segment } from './model'

export interface SegFrame {
  segment: number // 0: the values are segment numbers
  sourceSop: string
  position: Vec | undefined
}

/** The segments as the object describes them, in safe colours. */
export function segmentsOf(ds: Dataset): Segment[] {
  return items(ds, '00620002').map((item, index) => ({
    number: number(item, '00620004') ?? index + 1,
    label: text(item, '00620005') || text(first(item, '0062000F'), '00080104'),
    category: text(first(item, '0062000F'), '00080104'),
    colour: safeColour(index),
    visible: true,
  }))
}

export function isLabelmap(ds: Dataset): boolean {
  return text(ds, '00620001') === 'LABELMAP'
}

/** What each frame shows: its segment, its source image, its place. */
export function framesOf(ds: Dataset): SegFrame[] {
  const shared = first(ds, '52009229')
  return items(ds, '52009230').map((frame) => {
    const identified = first(frame, '0062000A') ?? first(shared, '0062000A')
    const source = first(first(frame, '00089124'), '00082112')
    const position = numbers(first(frame, '00209113') ?? first(shared, '00209113'), '00200032')
    return {
      segment: isLabelmap(ds) ? 0 : (number(identified, '0062000B') ?? 0),
      sourceSop: text(source, '00081155'),
      position: position.length === 3 ? (position as Vec) : undefined,
    }
  })
}

/** The series that the segmentation was drawn on, '' when it does not say. */
export function sourceSeries(ds: Dataset): string[] {
  return items(ds, '00081115').flatMap((s) => texts(s, '0020000E'))
}

export interface Pixels {
  bytes: Uint8Array
  bits: number
}

/** The pixel bytes of an uncompressed object. Raises Error when they are compressed or missing. */
export function pixelsOf(part10: Uint8Array): Pixels {
  const parsed = dicomParser.parseDicom(part10)
  const element = parsed.elements.x7fe00010
  if (!element || element.encapsulatedPixelData) throw new Error('no plain pixels')
  const bytes = part10.subarray(element.dataOffset, element.dataOffset + element.length)
  return { bytes, bits: parsed.uint16('x00280100') ?? 8 }
}

/** Call back with every voxel of a frame that belongs to a segment: its index and segment number. */
export function eachVoxel(pixels: Pixels, frame: number, size: number, segment: number, paint: (at: number, segment: number) => void): void {
  const { bytes, bits } = pixels
  const start = frame * size
  if (bits === 1) {
    for (let i = 0; i < size; i += 1) {
      const bit = start + i
      if (((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1) paint(i, segment)
    }
    return
  }
  for (let i = 0; i < size; i += 1) {
    const at = start + i
    const value = bits === 16 ? (bytes[2 * at] ?? 0) | ((bytes[2 * at + 1] ?? 0) << 8) : (bytes[at] ?? 0)
    if (value) paint(i, segment || value)
  }
}

/** The image that a frame lies on; -1 when none does. */
export function imageOf(frame: SegFrame, images: readonly ViewImage[], bySop: Map<string, number>): number {
  const named = frame.sourceSop ? bySop.get(frame.sourceSop) : undefined
  if (named !== undefined && images[named]?.frames === 1) return named
  if (!frame.position) return -1
  const found = nearest(images, frame.position)
  return found && found.away < 0.6 ? found.index : -1
}
