// SPDX-License-Identifier: Apache-2.0
// Our DICOMweb as the viewer calls it; the transport keeps the session and the CSRF token.
import { transport } from '../../api/transport'
import { text, type Dataset } from './dataset'
import { hasImages, imagesOf, MAPS, seriesItem, type SeriesItem, type ViewImage } from './series'

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

async function datasets(url: string): Promise<Dataset[]> {
  const answer = await get(url, 'application/dicom+json')
  return answer.status === 204 ? [] : ((await answer.json()) as Dataset[])
}

const PARAMETRIC_MAP = '1.2.840.10008.5.1.4.1.1.30'

/** The series of a study that hold parametric maps: what they are is told by their objects only. */
async function mapSeries(place: Place): Promise<Set<string>> {
  const found = await datasets(`${studyRoot(place)}/instances?SOPClassUID=${PARAMETRIC_MAP}&limit=200`).catch(() => [])
  return new Set(found.map((ds) => text(ds, '0020000E')))
}

/** The series of a study: images first, by number. */
export async function listSeries(place: Place): Promise<SeriesItem[]> {
  const asked = datasets(`${studyRoot(place)}/series?includefield=0008103E&includefield=00201209&limit=500`)
  const [found, maps] = await Promise.all([asked, mapSeries(place)])
  return found
    .map((ds) => seriesItem(ds, place.studyUid))
    .map((item) => (maps.has(item.uid) ? { ...item, modality: MAPS } : item))
    .sort((a, b) => Number(hasImages(b.modality)) - Number(hasImages(a.modality)) || a.number - b.number)
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
