// SPDX-License-Identifier: Apache-2.0
// Our DICOMweb as the viewer calls it; the transport keeps the session and the CSRF token.
import { transport } from '../../api/transport'
import { text, type Dataset } from './dataset'
import { firstSeries, hasImages, imagesOf, MAPS, seriesItem, type SeriesItem, type ViewImage } from './series'

export class WebTrouble extends Error {
  constructor(readonly status: number) {
    super(`DICOMweb answered ${status}`)
  }
}

export interface Place {
  space: string
  studyUid: string
}

const PAUSES_MS = [200, 600, 1500]

export function studyRoot({ space, studyUid }: Place): string {
  return `${window.location.origin}/dicomweb/${encodeURIComponent(space)}/studies/${studyUid}`
}

export function seriesRoot(place: Place, uid: string): string {
  return `${studyRoot(place)}/series/${uid}`
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** GET with a few more tries when the network or the server falters. Raises WebTrouble. */
async function get(url: string, accept: string): Promise<Response> {
  for (let round = 0; ; round += 1) {
    const wait = PAUSES_MS[round]
    try {
      const answer = await transport(url, { headers: { Accept: accept } })
      if (answer.ok) return answer
      if (answer.status < 500 || wait === undefined) throw new WebTrouble(answer.status)
    } catch (error) {
      if (wait === undefined || error instanceof WebTrouble) throw error
    }
    await pause(wait ?? 0)
  }
}

async function ask(url: string): Promise<Dataset[]> {
  const answer = await get(url, 'application/dicom+json')
  return answer.status === 204 ? [] : ((await answer.json()) as Dataset[])
}

const FRESH_MS = 20_000
const ahead = new Map<string, { answer: Promise<Dataset[]>; at: number }>()

/** What was asked ahead is taken once, while it is fresh; what failed is asked anew. */
async function datasets(url: string): Promise<Dataset[]> {
  const early = ahead.get(url)
  ahead.delete(url)
  if (!early || performance.now() - early.at > FRESH_MS) return ask(url)
  return early.answer.catch(() => ask(url))
}

function keep(url: string): Promise<Dataset[]> {
  const answer = ask(url)
  ahead.set(url, { answer, at: performance.now() })
  return answer
}

export interface FirstSeries {
  item: SeriesItem
  images: ViewImage[]
}

/** Ask for what the first picture needs, before the viewer's code is there; undefined: it cannot be had. */
export async function askAhead(place: Place): Promise<FirstSeries | undefined> {
  ahead.clear()
  try {
    const [found, maps] = await Promise.all([keep(seriesUrl(place)), keep(mapsUrl(place)).catch(() => [])])
    const item = firstSeries(seriesOf(place, found, mapUids(maps)))
    if (!item) return undefined
    const root = seriesRoot(place, item.uid)
    return { item, images: imagesOf(await keep(`${root}/metadata`), root) }
  } catch {
    ahead.clear() // the viewer asks for itself, and tells
    return undefined
  }
}

const PARAMETRIC_MAP = '1.2.840.10008.5.1.4.1.1.30'

const seriesUrl = (place: Place) => `${studyRoot(place)}/series?includefield=0008103E&includefield=00201209&limit=500`
const mapsUrl = (place: Place) => `${studyRoot(place)}/instances?SOPClassUID=${PARAMETRIC_MAP}&limit=200`

/** The series that hold parametric maps: what they are is told by their objects only. */
function mapUids(found: readonly Dataset[]): Set<string> {
  return new Set(found.map((ds) => text(ds, '0020000E')))
}

/** The series of a study: images first, by number. */
function seriesOf(place: Place, found: readonly Dataset[], maps: ReadonlySet<string>): SeriesItem[] {
  return found
    .map((ds) => seriesItem(ds, place.studyUid))
    .map((item) => (maps.has(item.uid) ? { ...item, modality: MAPS } : item))
    .sort((a, b) => Number(hasImages(b.modality)) - Number(hasImages(a.modality)) || a.number - b.number)
}

export async function listSeries(place: Place): Promise<SeriesItem[]> {
  const [found, maps] = await Promise.all([datasets(seriesUrl(place)), datasets(mapsUrl(place)).catch(() => [])])
  return seriesOf(place, found, mapUids(maps))
}

export async function seriesMetadata(place: Place, uid: string): Promise<Dataset[]> {
  return datasets(`${seriesRoot(place, uid)}/metadata`)
}

export async function loadImages(place: Place, uid: string): Promise<ViewImage[]> {
  return imagesOf(await seriesMetadata(place, uid), seriesRoot(place, uid))
}

/** One object as Part 10 bytes with plain pixels. */
export async function instanceBytes(place: Place, series: string, sop: string): Promise<Uint8Array> {
  const url = `${seriesRoot(place, series)}/instances/${sop}`
  const answer = await get(url, 'application/dicom; transfer-syntax=1.2.840.10008.1.2.1')
  return new Uint8Array(await answer.arrayBuffer())
}

/** Store a data set without bulk values (e.g. a report). Raises WebTrouble. */
export async function store(place: Place, document: Dataset): Promise<void> {
  const boundary = `hv${crypto.randomUUID().replaceAll('-', '')}`
  const head = `--${boundary}\r\nContent-Type: application/dicom+json\r\n\r\n`
  const answer = await transport(studyRoot(place), {
    method: 'POST',
    headers: {
      'Content-Type': `multipart/related; type="application/dicom+json"; boundary=${boundary}`,
      Accept: 'application/dicom+json',
    },
    body: `${head}${JSON.stringify([document])}\r\n--${boundary}--\r\n`,
  })
  if (answer.status !== 200) throw new WebTrouble(answer.status)
}

/** Take a series of ours away, e.g. an older saving. */
export async function removeSeries(place: Place, uid: string): Promise<void> {
  const answer = await transport(seriesRoot(place, uid), { method: 'DELETE' })
  if (!answer.ok && answer.status !== 404) throw new WebTrouble(answer.status)
}
