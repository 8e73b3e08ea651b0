// SPDX-License-Identifier: Apache-2.0
// Parametric maps (PS3.3 A.75): numbers for voxels, shown as 255 steps of one colour scale over the images.
import dicomParser from 'dicom-parser'
import { first, items, number, numbers, text, type Dataset } from '../dicom/dataset'
import type { Rgb } from './model'

export interface Scale {
  label: string // what the numbers are
  unit: string // UCUM, '' for none
  lower: number
  upper: number
}

export const STEPS = 255

/** Cividis: one rising scale of brightness from blue to yellow, the same with every kind of colour vision. */
const CIVIDIS: Rgb[] = [
  [0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115],
  [138, 134, 120], [165, 156, 116], [195, 179, 105], [225, 204, 85], [254, 232, 56],
]

/** The colour at a share (0 to 1) of the scale. */
export function colourAt(share: number): Rgb {
  const at = Math.min(1, Math.max(0, share)) * (CIVIDIS.length - 1)
  const below = CIVIDIS[Math.floor(at)] as Rgb
  const above = CIVIDIS[Math.ceil(at)] as Rgb
  return below.map((v, i) => Math.round(v + ((above[i] ?? v) - v) * (at - Math.floor(at)))) as Rgb
}

/** Colours of the steps; step 0 is nothing. */
export function colourSteps(): [number, number, number, number][] {
  return Array.from({ length: STEPS + 1 }, (_, i) => (i === 0 ? [0, 0, 0, 0] : [...colourAt((i - 1) / (STEPS - 1)), 255]))
}

/** The mapping to real-world values: of the frames, else of the object. */
function mappingOf(ds: Dataset): Dataset | undefined {
  const shared = first(first(ds, '52009229'), '00409096')
  return shared ?? first(items(ds, '52009230')[0], '00409096')
}

/** What the numbers mean, without their range. */
export function meaningOf(ds: Dataset): Pick<Scale, 'label' | 'unit'> {
  const mapping = mappingOf(ds)
  const unit = text(first(mapping, '004008EA'), '00080100')
  return { label: text(mapping, '00283003') || text(mapping, '00409210') || text(ds, '00700081'), unit: unit === '1' ? '' : unit }
}

/** The numbers of all frames, one after the other. Raises Error when they are compressed or missing. */
export function valuesOf(part10: Uint8Array, ds: Dataset): Float32Array {
  const { elements } = dicomParser.parseDicom(part10)
  const bytes = (tag: string) => {
    const found = elements[tag]
    if (!found || found.encapsulatedPixelData) return undefined
    return part10.slice(found.dataOffset, found.dataOffset + found.length).buffer
  }
  const [single, double, whole] = [bytes('x7fe00008'), bytes('x7fe00009'), bytes('x7fe00010')]
  const signed = number(ds, '00280103') === 1
  const raw = single
    ? new Float32Array(single)
    : double
      ? Float32Array.from(new Float64Array(double))
      : whole && Float32Array.from(signed ? new Int16Array(whole) : new Uint16Array(whole))
  if (!raw || (whole && number(ds, '00280100') !== 16)) throw new Error('no plain numbers')
  const mapping = mappingOf(ds)
  const [slope, intercept] = [numbers(mapping, '00409225')[0] ?? 1, numbers(mapping, '00409224')[0] ?? 0]
  return slope === 1 && intercept === 0 ? raw : raw.map((v) => v * slope + intercept)
}

/** The least and the greatest number; undefined when there is none. */
export function rangeOf(values: Float32Array): { lower: number; upper: number } | undefined {
  let [lower, upper] = [Infinity, -Infinity]
  for (const v of values) {
    if (!Number.isFinite(v)) continue
    if (v < lower) lower = v
    if (v > upper) upper = v
  }
  return lower <= upper ? { lower, upper } : undefined
}

/** The step of a number: 1 to 255; 0, which shows nothing, for what is no number. */
export function stepOf(value: number, { lower, upper }: { lower: number; upper: number }): number {
  if (!Number.isFinite(value)) return 0
  const share = upper > lower ? (value - lower) / (upper - lower) : 1
  return 1 + Math.round(Math.min(1, Math.max(0, share)) * (STEPS - 1))
}
