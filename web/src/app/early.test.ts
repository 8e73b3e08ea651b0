// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { dropFirst, useFirst } from '../viewer/first/state'
import { handOver, openEarly, takeOpened, takeSession, takeStudy } from './early'
import { lost } from './lost'

const UID = '1.2.3'
const ID = '0198c0de-0000-7000-8000-000000000001'
let asked: string[] = []
let signedIn: unknown

const me = (...permissions: string[]) => ({ session: { csrf_token: 't', me: { permissions, user: { id: 'u' } } } })

function answer(path: string): unknown {
  if (path === '/ui/session') return signedIn
  if (path.startsWith('/v1/studies?')) return { items: [{ study_uid: UID }] }
  if (path.startsWith('/v1/studies/')) return { study_uid: UID }
  return []
}

/** Open an address and return the paths that were asked for. */
async function opened(address: string): Promise<string[]> {
  window.history.replaceState(null, '', address)
  await openEarly()
  return asked.map((url) => url.replace(/\?.*/, ''))
}

beforeEach(() => {
  asked = []
  signedIn = me('*')
  vi.stubGlobal('fetch', (request: Request) => {
    const url = new URL(request.url)
    asked.push(url.pathname + url.search)
    return Promise.resolve(new Response(JSON.stringify(answer(url.pathname + url.search))))
  })
})

afterEach(async () => {
  dropFirst()
  handOver()
  void takeSession()
  await takeStudy(UID, 'default')
  await takeStudy(ID, 'default')
  takeOpened(window.location.pathname)
  vi.unstubAllGlobals()
  window.history.replaceState(null, '', '/')
})

describe('openEarly', () => {
  it('asks at the address of a study who is signed in, for the study and for its series', async () => {
    const root = `/dicomweb/default/studies/${UID}`
    expect((await opened(`/viewer/${UID}`)).sort()).toEqual([`${root}/instances`, `${root}/series`, '/ui/session', '/v1/studies'])
  })

  it('asks for the series when it knows the UID of a study named by our id', async () => {
    const paths = await opened(`/viewer/${ID}?space=lung`)
    expect(paths.slice(0, 2)).toEqual(['/ui/session', `/v1/studies/${ID}`])
    expect(paths).toContain(`/dicomweb/lung/studies/${UID}/series`)
  })

  it.each([
    ['nobody is signed in', { session: null }],
    ['the person may not read studies', me('reading:read')],
  ])('asks nothing of a study when %s', async (_why, session) => {
    signedIn = session
    expect(await opened(`/viewer/${UID}`)).toEqual(['/ui/session'])
    expect(takeOpened(`/viewer/${UID}`)).toBe(false)
  })

  it('asks elsewhere only who is signed in', async () => {
    expect(await opened('/reading/1.2.3')).toEqual(['/ui/session'])
    expect(takeOpened('/reading/1.2.3')).toBe(false)
  })
})

describe('what was asked early', () => {
  it('is taken once, by those for whom it was asked', async () => {
    await opened(`/viewer/${UID}`)
    expect(await takeSession()).toEqual(signedIn)
    expect(takeSession()).toBeUndefined()
    expect(await takeStudy(UID, 'lung')).toBeUndefined()
    expect(await takeStudy(UID, 'default')).toEqual({ study_uid: UID })
    expect(await takeStudy(UID, 'default')).toBeUndefined()
    expect([takeOpened(`/viewer/${UID}`), takeOpened(`/viewer/${UID}`)]).toEqual([true, false])
  })

  it('failed: the session tells its taker, the study is asked for again', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('no network')))
    await opened(`/viewer/${UID}`)
    await expect(takeSession()).rejects.toThrow('no network')
    vi.stubGlobal('fetch', (request: Request) =>
      Promise.resolve(request.url.includes('/ui/') ? new Response(JSON.stringify(signedIn)) : new Response('', { status: 404 })),
    )
    await opened(`/viewer/${ID}`)
    expect(await takeStudy(ID, 'default')).toBeUndefined()
  })

  it('is passed on when there is no such study: nobody asks again', async () => {
    const gone = { type: 'urn:healthvision:problem:not-found', title: '', detail: '', status: 404 }
    vi.stubGlobal('fetch', (request: Request) =>
      Promise.resolve(request.url.includes('/ui/') ? new Response(JSON.stringify(signedIn)) : new Response(JSON.stringify(gone), { status: 404 })),
    )
    await opened(`/viewer/${ID}`)
    await expect(takeStudy(ID, 'default')).rejects.toMatchObject(gone)
  })
})

const standing = () => document.querySelector('.hv-first') !== null
const come = () => {
  useFirst.setState({ picture: { studyUid: UID, seriesKey: UID, sopUid: UID, aspect: 1, url: '', element: document.createElement('img') } })
}

describe('the picture on the page', () => {
  it('stands until the interface shows it; one that comes later does not', async () => {
    await opened(`/viewer/${UID}`)
    come()
    expect(standing()).toBe(true)
    handOver()
    expect(standing()).toBe(false)
    come()
    expect(standing()).toBe(false)
  })

  it('goes when the interface is lost, of which the page tells', async () => {
    document.body.innerHTML = '<div id="root"></div>'
    await opened(`/viewer/${UID}`)
    come()
    lost()
    come()
    expect(standing()).toBe(false)
    expect(document.querySelector('[role=alert] button')?.textContent).toBe('重新加载')
  })
})
