// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { askAhead, listSeries, seriesMetadata } from './web'

const place = { space: 'default', studyUid: '1.2' }
const series = [{ '0020000E': { vr: 'UI', Value: ['1.2.3'] }, '00080060': { vr: 'CS', Value: ['CT'] }, '00201209': { vr: 'IS', Value: [100] } }]
let asked: string[] = []
let broken = false

beforeEach(() => {
  asked = []
  broken = false
  vi.stubGlobal('fetch', (request: Request) => {
    const { pathname } = new URL(request.url)
    asked.push(pathname.split('/').slice(4).join('/'))
    if (broken) return Promise.resolve(new Response('', { status: 404 }))
    const body = pathname.endsWith('/series') ? series : pathname.endsWith('/metadata') ? [{ m: 1 }] : []
    return Promise.resolve(new Response(JSON.stringify(body)))
  })
})

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('askAhead', () => {
  it('asks for what the first picture needs, which is not asked again', async () => {
    await askAhead(place)
    expect(asked).toEqual(['1.2/series', '1.2/instances', '1.2/series/1.2.3/metadata'])
    expect((await listSeries(place)).map((s) => s.images)).toEqual([100])
    expect(await seriesMetadata(place, '1.2.3')).toEqual([{ m: 1 }])
    expect(asked).toHaveLength(3)
    await listSeries(place) // a later look is a new one
    expect(asked).toHaveLength(5)
  })

  it('leaves what failed to the viewer, which asks for itself and tells', async () => {
    broken = true
    await askAhead(place)
    broken = false
    expect(await listSeries(place)).toHaveLength(1)
  })

  it('is forgotten when the study was not opened soon', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    await askAhead(place)
    vi.advanceTimersByTime(21_000)
    await listSeries(place)
    expect(asked.filter((path) => path === '1.2/series')).toHaveLength(2)
  })
})
