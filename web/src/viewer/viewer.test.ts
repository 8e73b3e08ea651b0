// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, vi } from 'vitest'
import type { Dataset } from './dicom/dataset'
import { imagesOf, nearest, volumeTrouble } from './dicom/series'
import { side, toPixel, toWorld, type Plane } from './geometry'
import type { Measured } from './measure/model'
import { readReport } from './measure/reading'
import { newUid, writeReport } from './measure/writing'
import { eachVoxel, framesOf, imageOf } from './overlays/decode'
import { rangeOf, windowOf } from './presets'
import { day, personName, readerName } from './words'

vi.mock('dicom-parser', () => ({ default: {} }))

function slice(z: number, more: Dataset = {}, number = z): Dataset {
  return {
    '00080018': { vr: 'UI', Value: [`1.2.${Math.round(z * 10)}`] },
    '00080016': { vr: 'UI', Value: ['1.2.840.10008.5.1.4.1.1.2'] },
    '00200013': { vr: 'IS', Value: [number] },
    '00280010': { vr: 'US', Value: [10] },
    '00280011': { vr: 'US', Value: [20] },
    '00280030': { vr: 'DS', Value: [0.8, 0.5] },
    '00200032': { vr: 'DS', Value: [0, 0, z] },
    '00200037': { vr: 'DS', Value: [1, 0, 0, 0, 1, 0] },
    ...more,
  }
}

const stack = (zs: number[]) => imagesOf(zs.map((z) => slice(z)), '/s')

describe('geometry', () => {
  it('names the side of the patient that a direction points to', () => {
    expect([side([1, 0, 0]), side([0, 1, 0]), side([0, 0, -1]), side([-0.7, -0.7, 0])]).toEqual(['L', 'P', 'F', 'RA'])
  })
  it('takes oblong pixels into account both ways', () => {
    const plane = stack([0])[0]?.plane as Plane
    expect(toPixel(plane, [5, 4, 0])).toEqual([10, 5])
    expect(toWorld(plane, [10, 5])).toEqual([5, 4, 0])
  })
})

describe('imagesOf', () => {
  it('orders images by their place and not by their number', () => {
    const images = imagesOf([slice(4, {}, 1), slice(0, {}, 3), slice(2, {}, 2)], '/s')
    expect(images.map((i) => i.plane?.position[2])).toEqual([4, 2, 0])
  })
  it('makes one image per frame', () => {
    const images = imagesOf([slice(0, { '00280008': { vr: 'IS', Value: [3] } })], '/s')
    expect(images.map((i) => i.imageId.split('/').pop())).toEqual(['1', '2', '3'])
  })
  it('finds the image nearest to a point', () => {
    expect(nearest(stack([0, 2, 4]), [3, 3, 2.4])?.index).toBe(1)
  })
})

describe('volumeTrouble', () => {
  it('takes an even stack', () => {
    expect(volumeTrouble(stack([0, 2, 4, 6, 8]))).toBeUndefined()
  })
  it('refuses a missing image, a tilted gantry, too few and mixed directions', () => {
    const tilted = imagesOf([0, 2, 4, 6].map((z) => slice(z, { '00200032': { vr: 'DS', Value: [0, z * 0.3, z] } })), '/s')
    const mixed = imagesOf([slice(0), slice(2), slice(4), slice(6, { '00200037': { vr: 'DS', Value: [0, 1, 0, 0, 0, -1] } })], '/s')
    const troubles = [stack([0, 2, 6, 8]), tilted, stack([0, 2]), mixed].map(volumeTrouble)
    expect(troubles).toEqual(['gaps', 'tilt', 'few', 'geometry'])
  })
})

describe('windows', () => {
  it('come back from their range', () => {
    expect(windowOf(rangeOf(40, 400))).toEqual({ centre: 40, width: 400 })
  })
})

const measured = (more: Partial<Measured>): Measured => ({
  id: 'a', uid: '2.25.1', kind: 'length', label: '', points: [[0, 0, 0], [10, 0, 0]], figures: [{ name: 'length', value: 10, unit: 'mm' }],
  frameOfReference: '1.3', seriesUid: '1.4', studyUid: '1.5', sopUid: '1.2.0', sopClass: '1.2.840.10008.5.1.4.1.1.2', frame: 1,
  normal: undefined, up: undefined, author: { kind: 'person', account: 'a1', name: 'Li Mei' }, own: true, at: '20260304050607.000+0800',
  saved: false, basis: undefined, ...more,
})

function written(all: Measured[], number = 1) {
  return writeReport(all, {
    reader: { kind: 'person', account: 'a1', name: 'Li Mei' }, source: { ...slice(0), '0020000D': { vr: 'UI', Value: ['1.5'] } }, seriesUid: '1.9', sopUid: newUid(), number,
    at: new Date(2026, 2, 4, 5, 6, 7), before: [], kept: [], evidence: [],
    pixelsOf: (m) => (m.sopUid ? m.points.map(([x, y]) => [x / 0.5 + 0.5, y / 0.8 + 0.5]) : undefined),
  })
}

describe('measurement reports', () => {
  it('come back as they were drawn', () => {
    const square: Measured['points'] = [[0, 0, 0], [5, 0, 0], [0, 8, 0], [5, 8, 0]]
    const report = readReport(written([measured({}), measured({ uid: '2.25.2', kind: 'rectangle', points: square, figures: [{ name: 'mean', value: 12.5, unit: "[hnsf'U]" }] })]))
    expect(report?.own).toBe(true)
    expect(report?.groups.map((g) => [g.kind, g.uid, g.sopUid, g.numbers[0]?.value])).toEqual([
      ['length', '2.25.1', '1.2.0', 10],
      ['rectangle', '2.25.2', '1.2.0', 12.5],
    ])
    expect(report?.groups[1]?.pixels?.slice(0, 4)).toEqual([[0.5, 0.5], [10.5, 0.5], [0.5, 10.5], [10.5, 10.5]])
  })
  it('keep the two axes of an ellipse apart', () => {
    const upright: Measured['points'] = [[5, 8, 0], [5, 0, 0], [4, 4, 0], [6, 4, 0]]
    const lying: Measured['points'] = [[5, 5, 0], [5, 3, 0], [0, 4, 0], [10, 4, 0]]
    const report = readReport(written([upright, lying].map((points, i) => measured({ uid: `2.25.${i}`, kind: 'ellipse', points, figures: [] }))))
    const back = report?.groups.map((g) => g.pixels?.map(([c, r]) => [(c - 0.5) * 0.5, (r - 0.5) * 0.8].map((v) => Math.round(v * 1e6) / 1e6)))
    expect(back).toEqual([upright, lying].map((points) => points.map(([x, y]) => [x, y])))
  })
  it('keep points in space for what was drawn on a reformatted plane', () => {
    const report = readReport(written([measured({ sopUid: '', points: [[1, 2, 3], [4, 5, 6]] })]))
    expect(report?.groups[0]).toMatchObject({ space: [[1, 2, 3], [4, 5, 6]], frameOfReference: '1.3', sopUid: '' })
  })
})

describe('segmentations', () => {
  it('unpack bits that run over frames', () => {
    const found: number[] = []
    eachVoxel({ bytes: new Uint8Array([0b00100001, 0b1]), bits: 1 }, 1, 4, 2, (at) => found.push(at))
    expect(found).toEqual([1])
    const labels: [number, number][] = []
    eachVoxel({ bytes: new Uint8Array([0, 3, 0, 5]), bits: 8 }, 0, 4, 0, (at, segment) => labels.push([at, segment]))
    expect(labels).toEqual([[1, 3], [3, 5]])
  })
  it('lie on the image they name, else on the one at their place, else nowhere', () => {
    const images = stack([0, 2, 4])
    const bySop = new Map(images.map((image, i) => [image.sopUid, i]))
    const frame = { segment: 1, sourceSop: '1.2.20', position: undefined }
    expect(imageOf(frame, images, bySop)).toBe(1)
    expect(imageOf({ ...frame, sourceSop: '', position: [0, 0, 4] }, images, bySop)).toBe(2)
    expect(imageOf({ ...frame, sourceSop: '', position: [0, 0, 3] }, images, bySop)).toBe(-1)
    expect(framesOf({ '52009230': { vr: 'SQ', Value: [{}] } })[0]?.segment).toBe(0)
  })
})

describe('words', () => {
  it('write the names of readers as they were typed', () => {
    expect([readerName('Li^Mei'), readerName('王^丽'), readerName('王医生')]).toEqual(['Mei Li', '王丽', '王医生'])
  })
  it('write names and dates as people do', () => {
    expect([personName('Wang^Li=王^丽', true), personName('Wang^Li=王^丽', false), day('20260304')]).toEqual(['王丽', 'Wang Li', '2026-03-04'])
  })
})
