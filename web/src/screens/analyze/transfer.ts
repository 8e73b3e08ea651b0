// SPDX-License-Identifier: Apache-2.0
// How files get to the server: archives and pictures as resumable uploads, loose DICOM by STOW-RS.
import { completeUpload, createUpload, getUpload, listStudies, type UploadPart, type UploadRead } from '../../api/generated'
import { SendFailed, sendBytes } from '../../api/send-bytes'

export interface Watch {
  signal: AbortSignal
  progress: (fraction: number) => void
  upload?: (id: string) => void // an upload was agreed on: it can be resumed
}

export interface Outcome {
  studies: string[]
  stored: number
  skipped: number
  failed: number
  reason?: string // of the first file that failed
}

const WAYS = /\.(zip|nii|nii\.gz|jpe?g|png|tiff?)$/i
const TRIES = 5
const STORE_TRIES = 2 // an object store that refuses our pages refuses them again
const STOW_FILES = 40
const STOW_BYTES = 48_000_000
const ASK_MS = 1000

/** Tell whether a file goes through an upload of its own; else it is taken for loose DICOM. */
export function isUpload(file: File): boolean {
  return WAYS.test(file.name)
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const timer = window.setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      window.clearTimeout(timer)
      reject(new DOMException('cancelled', 'AbortError'))
    })
  })
}

/** Run again after a lost connection or a server that restarts; other refusals go on at once.
 * Work that was cancelled is not begun: what was on its way when that happened comes to its end first. */
async function patiently<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    signal.throwIfAborted()
    try {
      return await work()
    } catch (error) {
      const passing = error instanceof SendFailed ? [0, 502, 503].includes(error.status) : error instanceof TypeError
      const most = error instanceof SendFailed && error.foreign ? STORE_TRIES : TRIES
      if (!passing || tries >= most) throw error
      await pause(1000 * 2 ** tries, signal)
    }
  }
}

async function sendPart(file: File, part: UploadPart, watch: Watch, before: number): Promise<void> {
  await sendBytes({
    method: part.method,
    url: part.url,
    headers: part.headers,
    body: file.slice(part.offset, part.offset + part.size),
    signal: watch.signal,
    progress: (sent) => {
      watch.progress((before + sent) / file.size)
    },
  })
}

async function sendParts(file: File, upload: UploadRead, watch: Watch): Promise<void> {
  let at = upload.parts.filter((p) => p.done).reduce((sum, p) => sum + p.size, 0)
  for (const part of upload.parts.filter((p) => !p.done)) {
    const before = at
    await patiently(watch.signal, async () => {
      try {
        await sendPart(file, part, watch, before)
      } catch (error) {
        // the answer was lost, not the bytes
        if (!(error instanceof SendFailed && error.status === 409)) throw error
      }
    })
    at += part.size
  }
}

async function takenIn(id: string, watch: Watch): Promise<UploadRead> {
  for (;;) {
    const { data } = await patiently(watch.signal, () => getUpload({ path: { upload_id: id }, throwOnError: true }))
    if (data.state === 'done' || data.state === 'failed') return data
    watch.progress(1)
    await pause(ASK_MS, watch.signal)
  }
}

/** Send one file; ``resume``: id of an upload of the same file that was interrupted. */
export async function sendUpload(file: File, watch: Watch, resume?: string): Promise<Outcome> {
  const begun = await patiently(watch.signal, async () => {
    if (resume) return (await getUpload({ path: { upload_id: resume }, throwOnError: true })).data
    const body = { filename: file.name, size: file.size, content_type: file.type || 'application/octet-stream' }
    return (await createUpload({ body, throwOnError: true })).data
  })
  watch.upload?.(begun.id)
  if (begun.state === 'waiting') {
    await sendParts(file, begun, watch)
    await patiently(watch.signal, () => completeUpload({ path: { upload_id: begun.id }, body: {}, throwOnError: true }))
  }
  const end = await takenIn(begun.id, watch)
  const bad = end.results.find((r) => ['failed', 'quarantined', 'conflict'].includes(r.outcome))
  return { studies: end.studies, stored: end.stored, skipped: end.skipped, failed: end.failed, reason: end.error ?? bad?.reason }
}

function batches(files: readonly File[]): File[][] {
  const found: File[][] = []
  let size = 0
  for (const file of files) {
    const last = found.at(-1)
    if (!last || last.length >= STOW_FILES || size + file.size > STOW_BYTES) {
      found.push([file])
      size = file.size
    } else {
      last.push(file)
      size += file.size
    }
  }
  return found
}

function stowBody(files: readonly File[], mark: string): Blob {
  const parts = files.flatMap((file) => [`--${mark}\r\nContent-Type: application/dicom\r\n\r\n`, file, '\r\n'])
  return new Blob([...parts, `--${mark}--\r\n`])
}

type Tag = { Value?: unknown[] }
type Item = Record<string, Tag>

interface Stored {
  studyUids: string[]
  stored: number
  failed: number
}

/** Read a STOW answer (PS3.18 10.5.3): what was stored, in which studies, and what was refused. */
export function readStow(answer: unknown): Stored {
  const document = (answer ?? {}) as Item
  const items = (tag: string) => (document[tag]?.Value ?? []) as Item[]
  const urls = items('00081199').map((i) => String(i['00081190']?.Value?.[0] ?? ''))
  const uids = urls.map((url) => /\/studies\/([0-9.]+)/.exec(url)?.[1] ?? '').filter(Boolean)
  return { studyUids: [...new Set(uids)], stored: urls.length, failed: items('00081198').length }
}

async function stow(files: readonly File[], watch: Watch, told: (sent: number) => void): Promise<Stored> {
  const mark = `hv-${crypto.randomUUID()}`
  const body = stowBody(files, mark)
  try {
    const answer = await sendBytes({
      method: 'POST',
      url: '/dicomweb/default/studies',
      headers: {
        'Content-Type': `multipart/related; type="application/dicom"; boundary=${mark}`,
        Accept: 'application/dicom+json',
      },
      body,
      signal: watch.signal,
      progress: told,
      own: true,
    })
    return readStow(answer)
  } catch (error) {
    // 409: none of these files was stored; the document says why
    if (error instanceof SendFailed && error.status === 409) return { ...readStow(error.document), stored: 0 }
    throw error
  }
}

/** Store loose DICOM files in portions; a portion that is sent twice is stored once. */
export async function sendLoose(files: readonly File[], watch: Watch): Promise<Outcome> {
  const total = files.reduce((sum, f) => sum + f.size, 0)
  const uids = new Set<string>()
  const outcome: Outcome = { studies: [], stored: 0, skipped: 0, failed: 0 }
  let at = 0
  for (const batch of batches(files)) {
    const before = at
    const found = await patiently(watch.signal, () =>
      stow(batch, watch, (sent) => {
        watch.progress(Math.min(1, (before + sent) / total))
      }),
    )
    at += batch.reduce((sum, f) => sum + f.size, 0)
    outcome.stored += found.stored
    outcome.failed += found.failed
    found.studyUids.forEach((uid) => uids.add(uid))
  }
  for (const study_uid of uids) {
    const { data } = await listStudies({ query: { study_uid }, throwOnError: true })
    outcome.studies.push(...data.items.map((s) => s.id))
  }
  return outcome
}
