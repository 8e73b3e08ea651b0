// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Dataset } from '../dicom/dataset'
import { imagesOf, seriesItem } from '../dicom/series'
import { firstImage, type FirstImage } from './choose'
import { dropFirst, expectFirst, firstSettled, useFirst } from './state'


const ds = (more: Dataset = {}): Dataset => ({
  '00080018': { vr: 'UI', Value: ['1.2.3.4'] },
  '00080060': { vr: 'CS', Value: ['CT'] },
  '0020000E': { vr: 'UI', Value: ['1.2.3'] },
  '0008103E': { vr: 'LO', Value: ['Lung 1.0'] },
  '00200013': { vr: 'IS', Value: [1] },
  '00280002': { vr: 'US', Value: [1] },
  '00280004': { vr: 'CS', Value: ['MONOCHROME2'] },
  '00280010': { vr: 'US', Value: [60] },
  '00280011': { vr: 'US', Value: [96] },
  '00280030': { vr: 'DS', Value: [0.8, 0.5] },
  '00281050': { vr: 'DS', Value: [50, 40] },
  '00281051': { vr: 'DS', Value: [351, 80] },
  ...more,
})

function found(more: Dataset = {}) {
  const one = ds(more)
  return firstImage(seriesItem(one, '1.2'), imagesOf([one], '/studies/1.2/series/1.2.3'))
}

describe('firstImage', () => {
  it('names the picture of the first image with its own window and its aspect', () => {
    const image = found()
    expect(image).toMatchObject({ studyUid: '1.2', seriesKey: '1.2/1.2.3', sopUid: '1.2.3.4', aspect: 1 })
    const url = new URL(image?.url ?? '', 'http://here')
    expect(url.pathname).toBe('/studies/1.2/series/1.2.3/instances/1.2.3.4/rendered')
    expect(Object.fromEntries(url.searchParams)).toEqual({ accept: 'image/png', window: '50,351' })
  })

  it('is the first one by place, as the viewer orders them', () => {
    const at = (uid: string, number: number, z: number) =>
      ds({
        '00080018': { vr: 'UI', Value: [uid] },
        '00200013': { vr: 'IS', Value: [number] },
        '00200032': { vr: 'DS', Value: [0, 0, z] },
        '00200037': { vr: 'DS', Value: [1, 0, 0, 0, 1, 0] },
      })
    const images = imagesOf([at('1.3', 3, 6), at('1.2', 1, 4), at('1.1', 2, 2)], '/s')
    expect(firstImage(seriesItem(ds(), '1.2'), images)?.sopUid).toBe('1.1')
  })

  it('takes the usual window of a CT without one, and square pixels without a size', () => {
    const image = found({ '00281050': undefined, '00281051': undefined, '00280030': undefined })
    expect(image?.aspect).toBe(1.6)
    expect(image?.url).toContain('window=-600%2C1500')
  })

  it('asks for large images made smaller', () => {
    const image = found({ '00280010': { vr: 'US', Value: [3000] } })
    expect(image?.url).toContain('viewport=1024%2C1024')
  })

  const others: Record<string, Dataset> = {
    'several frames': { '00280008': { vr: 'IS', Value: [2] } },
    colour: { '00280002': { vr: 'US', Value: [3] }, '00280004': { vr: 'CS', Value: ['RGB'] } },
    'dark for high values': { '00280004': { vr: 'CS', Value: ['MONOCHROME1'] } },
    'a table of values': { '00283000': { vr: 'SQ', Value: [{}] } },
    'values per frame': { '52009229': { vr: 'SQ', Value: [{}] } },
    'another curve': { '00281056': { vr: 'CS', Value: ['SIGMOID'] } },
    'a window of no width': { '00281051': { vr: 'DS', Value: [1] } },
    'an empty window': { '00281050': { vr: 'DS' } },
    'no window outside CT': { '00080060': { vr: 'CS', Value: ['MR'] }, '00281050': undefined, '00281051': undefined },
    'uptake, scaled by the viewer': { '00080060': { vr: 'CS', Value: ['PT'] } },
    'oblong pixels of no size': { '00280030': undefined, '00280034': { vr: 'IS', Value: [2, 1] } },
  }
  it.each(Object.keys(others))('leaves to the viewer: %s', (name) => {
    expect(found(others[name])).toBeUndefined()
  })

  it('is none in a series without images', () => {
    expect(firstImage(seriesItem(ds(), '1.2'), [])).toBeUndefined()
  })
})

const image = (sopUid: string): FirstImage => ({ studyUid: '1.2', seriesKey: '1.2/1', sopUid, aspect: 1, url: `/${sopUid}` })
const shown = () => useFirst.getState().picture?.sopUid
let decode: () => Promise<void>

/** Whether the wait for the first picture is over. */
async function over(): Promise<boolean> {
  let is = false
  void firstSettled().then(() => { is = true })
  await Promise.resolve()
  await Promise.resolve()
  return is
}

describe('expectFirst', () => {
  beforeEach(() => {
    decode = () => Promise.resolve()
    vi.stubGlobal('Image', function () {
      return Object.assign(document.createElement('img'), { decode: () => decode() })
    })
    vi.stubGlobal('PerformanceObserver', { supportedEntryTypes: [] })
  })

  afterEach(() => {
    dropFirst()
    vi.unstubAllGlobals()
  })

  it('stands when it is decoded; others wait until it is on the screen', async () => {
    const done = expectFirst(() => Promise.resolve(image('a')))
    expect(await over()).toBe(false)
    await done
    expect([shown(), await over()]).toEqual(['a', true])
    dropFirst()
    expect(shown()).toBeUndefined()
  })

  it('does not stand when another study was opened meanwhile', async () => {
    let found: (one: FirstImage) => void = () => undefined
    const late = expectFirst(() => new Promise((resolve) => { found = resolve }))
    await expectFirst(() => Promise.resolve(image('b')))
    found(image('a'))
    await late
    expect(shown()).toBe('b')
  })

  it('does not come after the image itself is drawn', async () => {
    let arrive: () => void = () => undefined
    decode = () => new Promise((resolve) => { arrive = resolve })
    const late = expectFirst(() => Promise.resolve(image('a')))
    await Promise.resolve()
    dropFirst()
    expect(await over()).toBe(true)
    arrive()
    await late
    expect(shown()).toBeUndefined()
  })

  it('keeps nobody waiting when there is none or it cannot be had', async () => {
    await expectFirst(() => Promise.resolve(undefined))
    expect([shown(), await over()]).toEqual([undefined, true])
    decode = () => Promise.reject(new Error('406'))
    await expectFirst(() => Promise.resolve(image('a')))
    expect([shown(), await over()]).toEqual([undefined, true])
    await expectFirst(() => Promise.reject(new Error('network')))
    expect([shown(), await over()]).toEqual([undefined, true])
  })
})
