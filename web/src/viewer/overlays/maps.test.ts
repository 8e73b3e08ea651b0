// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, vi } from 'vitest'
import type { Dataset } from '../dicom/dataset'
import { colourAt, colourSteps, meaningOf, rangeOf, stepOf, STEPS, valuesOf } from './maps'

const parsed = vi.hoisted(() => ({ elements: {} as Record<string, { dataOffset: number; length: number }> }))
vi.mock('dicom-parser', () => ({ default: { parseDicom: () => parsed } }))

const mapping = (more: Dataset): Dataset => ({ '52009229': { vr: 'SQ', Value: [{ '00409096': { vr: 'SQ', Value: [more] } }] } })

describe('parametric maps', () => {
  it('read floats, and whole numbers by their slope and intercept', () => {
    parsed.elements = { x7fe00008: { dataOffset: 0, length: 8 } }
    expect([...valuesOf(new Uint8Array(new Float32Array([0.5, -2]).buffer), {})]).toEqual([0.5, -2])
    parsed.elements = { x7fe00010: { dataOffset: 0, length: 4 } }
    const ds = { ...mapping({ '00409225': { vr: 'FD', Value: [0.5] }, '00409224': { vr: 'FD', Value: [10] } }), '00280100': { vr: 'US', Value: [16] } }
    expect([...valuesOf(new Uint8Array(new Uint16Array([4, 0]).buffer), ds)]).toEqual([12, 10])
    parsed.elements = {}
    expect(() => valuesOf(new Uint8Array(), {})).toThrow()
  })
  it('say what they mean and in which unit', () => {
    const unit = { '004008EA': { vr: 'SQ', Value: [{ '00080100': { vr: 'SH', Value: ['um2/s'] } }] } }
    expect(meaningOf(mapping({ ...unit, '00283003': { vr: 'LO', Value: ['Diffusion'] } }))).toEqual({ label: 'Diffusion', unit: 'um2/s' })
  })
  it('show the least number in the first step, the greatest in the last, and no number as nothing', () => {
    const range = rangeOf(new Float32Array([Number.NaN, -1, 3]))
    expect(range).toEqual({ lower: -1, upper: 3 })
    if (!range) return
    expect([-1, 1, 3, Number.NaN, 99].map((v) => stepOf(v, range))).toEqual([1, 128, STEPS, 0, STEPS])
    expect(rangeOf(new Float32Array([Number.NaN]))).toBeUndefined()
  })
  it('get brighter all along the scale', () => {
    const light = Array.from({ length: 20 }, (_, i) => colourAt(i / 19)).map(([r, g, b]) => 0.2126 * r + 0.7152 * g + 0.0722 * b)
    expect(light.every((l, i) => i === 0 || l > (light[i - 1] ?? 0))).toBe(true)
    expect([colourSteps().length, colourSteps()[0]]).toEqual([STEPS + 1, [0, 0, 0, 0]])
  })
})
