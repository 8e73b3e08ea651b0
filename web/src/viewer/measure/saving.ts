// SPDX-License-Identifier: Apache-2.0
// Keeps the list of measurements, stores a reader's own as a report, and brings saved ones back.
import { eventTarget } from '@cornerstonejs/core'
import { annotation, Enums } from '@cornerstonejs/tools'
import type { Dataset } from '../dicom/dataset'
import { hasImages } from '../dicom/series'
import { listSeries, seriesMetadata, store } from '../dicom/web'
import { imagesOfSeries } from '../loading'
import { view, type StudyHere } from '../store'
import { toolOf } from '../toolset'
import { allPorts } from '../viewports'
import { drawAs, drawnSince, isDrawn, isMine, measuredOf, noteChange, pixelsOf, restore, takeOver, trackingOf, undraw } from './drawn'
import type { Author, Measured } from './model'
import { dicomMoment } from './moments'
import { readReport, type Group, type Report } from './reading'
import { allStanding, headsOf, standing, untouched } from './versions'
import { DESCRIPTION, newUid, writeReport } from './writing'

const E = Enums.Events
const CHANGES = [E.ANNOTATION_COMPLETED, E.ANNOTATION_MODIFIED, E.ANNOTATION_REMOVED, E.ANNOTATION_ADDED]
const edited = new Map<string, string>() // tracking UID -> when the reader drew or changed it
const stood = new Map<string, string>() // tracking UID of the reader's saved ones -> study
let waitingFor: Group[] = [] // saved ones whose images are not here yet
let reader: Author = { kind: 'person', account: '', name: '' }
let quiet = false

interface Change {
  annotation?: { annotationUID?: string; metadata?: { toolName?: string } }
  changeType?: string
}

const EDITS = new Set(['HandlesUpdated', 'Completed', 'LabelChange', 'History'])

/** Tell whether a reader changed a measurement (and not the engine its statistics, or crosshairs). */
function isEdit({ type, detail }: CustomEvent<Change>): boolean {
  if (!toolOf(detail.annotation?.metadata?.toolName ?? '')) return false
  if (type === E.ANNOTATION_MODIFIED) return EDITS.has(detail.changeType ?? '')
  return type === E.ANNOTATION_COMPLETED || type === E.ANNOTATION_REMOVED
}

function collect(): Measured[] {
  const measured = annotation.state.getAllAnnotations().map(measuredOf).filter((m) => m !== undefined)
  view.set({ measured })
  return measured
}

function noteEdit(event: CustomEvent<Change>): void {
  const drawn = event.detail.annotation?.annotationUID
  if (quiet || !drawn || !isEdit(event)) return
  const uid = trackingOf(drawn)
  if (!isMine(uid)) return
  const at = dicomMoment(new Date())
  edited.set(uid, at)
  noteChange(uid, at, false)
  view.set({ unsaved: true })
}

/** Follow what is drawn. Returns the way to stop. */
export function watchMeasured(person: Author): () => void {
  reader = person
  drawAs(person)
  let waiting = 0
  const changed = (event: Event) => {
    noteEdit(event as CustomEvent<Change>)
    waiting ||= window.setTimeout(() => {
      waiting = 0
      collect()
    }, 60)
  }
  for (const event of CHANGES) eventTarget.addEventListener(event, changed)
  return () => {
    window.clearTimeout(waiting)
    for (const event of CHANGES) eventTarget.removeEventListener(event, changed)
    waitingFor = []
    edited.clear()
    stood.clear()
  }
}

/** An own measurement at the place of somebody else's, which stays as it is. */
export function takeOverMeasured(id: string): void {
  const uid = takeOver(id)
  if (!uid) return
  const at = dicomMoment(new Date())
  edited.set(uid, at)
  noteChange(uid, at, false)
  view.set({ unsaved: true })
  view.say('measured.taken')
  for (const port of allPorts()) port.render()
}

const reportsIn = (all: readonly Dataset[]) => all.map(readReport).filter((r) => r !== undefined)

/** The reports of a study that hold measurements. */
export async function reportsOf(study: StudyHere): Promise<Report[]> {
  const series = study.series.filter((s) => s.modality === 'SR')
  const all = await Promise.all(series.map((s) => seriesMetadata(study.place, s.uid).catch(() => [])))
  return reportsIn(all.flat())
}

/** The savings of all readers as the archive has them now. Raises WebTrouble. */
async function savingsNow(study: StudyHere): Promise<Report[]> {
  const series = (await listSeries(study.place)).filter((s) => s.modality === 'SR' && s.description === DESCRIPTION)
  const all = await Promise.all(series.map((s) => seriesMetadata(study.place, s.uid)))
  return reportsIn(all.flat())
}

/** Draw what was saved before; the images it lies on are looked up in all series of the study. */
export async function bringBack(study: StudyHere, reports: readonly Report[]): Promise<void> {
  settle(study, reports)
  for (const item of study.series.filter((s) => hasImages(s.modality))) {
    if (waitingFor.length === 0) return
    await imagesOfSeries(item.key).catch(() => [])
    bringBackMore()
  }
}

/** Let the picture show what the archive has; what the reader changed and did not save stays. */
function settle(study: StudyHere, reports: readonly Report[]): void {
  const studyUid = study.place.studyUid
  const all = allStanding(reports)
  const there = new Set(all.map((g) => g.uid))
  quiet = true
  for (const m of collect()) {
    if (m.studyUid === studyUid && m.saved && !there.has(m.uid) && !edited.has(m.uid)) undraw(m.uid)
  }
  for (const group of all) {
    const at = drawnSince(group.uid)
    if (at !== undefined && at !== group.at && !edited.has(group.uid)) undraw(group.uid)
  }
  quiet = false
  for (const [uid, owner] of stood) if (owner === studyUid) stood.delete(uid)
  for (const g of standing(reports, reader)) stood.set(g.uid, studyUid)
  waitingFor = [...waitingFor.filter((g) => !there.has(g.uid)), ...all.filter((g) => !edited.has(g.uid))]
  bringBackMore()
}

/** Try again those whose images were not here yet. */
export function bringBackMore(): void {
  if (waitingFor.length === 0) return
  quiet = true
  waitingFor = waitingFor.filter((group) => !restore(group))
  quiet = false
  for (const port of allPorts()) port.render()
}

/** What the reader has to save in a study: drawn or changed, and saved before but taken away. */
function dueIn(study: StudyHere, measured: readonly Measured[]): { changed: Measured[]; removed: Set<string> } {
  const { studyUid } = study.place
  const changed = measured.filter((m) => m.own && m.studyUid === studyUid && edited.has(m.uid))
  const waiting = new Set(waitingFor.map((g) => g.uid))
  const gone = [...stood].filter(([uid, owner]) => owner === studyUid && !isDrawn(uid) && !waiting.has(uid))
  return { changed, removed: new Set(gone.map(([uid]) => uid)) }
}

/** An image of a study, for its patient and study. */
async function sourceOf(study: StudyHere): Promise<Dataset | undefined> {
  const some = study.series.find((s) => view.get().loaded[s.key]?.images.length)
  return some && (await imagesOfSeries(some.key))[0]?.dataset
}

/** Store the reader's measurements of a study. Returns how many there are now; undefined: nothing to do.
 *
 * What others, or the same reader elsewhere, saved meanwhile is read first and stays. Raises WebTrouble.
 */
async function saveIn(study: StudyHere): Promise<number | undefined> {
  const { changed, removed } = dueIn(study, collect())
  if (changed.length === 0 && removed.size === 0) return undefined
  const source = await sourceOf(study)
  if (!source) return undefined
  const stamps = new Map([...changed.map((m) => m.uid), ...removed].map((uid) => [uid, edited.get(uid)]))
  const savings = await savingsNow(study)
  const heads = headsOf(savings, reader)
  const kept = untouched(standing(savings, reader), new Set(changed.map((m) => m.uid)), removed)
  const document = writeReport(changed, {
    reader,
    source,
    seriesUid: heads.at(-1)?.seriesUid ?? newUid(),
    sopUid: newUid(),
    number: Math.max(0, ...heads.map((h) => h.number)) + 1,
    at: new Date(),
    before: heads,
    kept,
    evidence: heads.flatMap((h) => h.evidence),
    pixelsOf,
  })
  await store(study.place, document)
  for (const [uid, stamp] of stamps) {
    if (edited.get(uid) !== stamp) continue // changed again meanwhile
    edited.delete(uid)
    if (stamp && isDrawn(uid)) noteChange(uid, stamp, true)
  }
  const made = readReport(document)
  settle(study, made ? [...savings, made] : savings)
  return kept.length + changed.length
}

let running: Promise<void> = Promise.resolve()

/** Store the reader's own measurements; earlier savings, and those of others, stay in the archive. */
export function saveMeasured(): Promise<void> {
  running = running.then(saveAll)
  return running
}

async function saveAll(): Promise<void> {
  let count = 0
  try {
    for (const study of view.get().studies) count += (await saveIn(study)) ?? 0
    for (const uid of edited.keys()) if (!isDrawn(uid) && !stood.has(uid)) edited.delete(uid)
    view.say('save.done', { count })
  } catch {
    view.say('save.failed')
  }
  collect()
  view.set({ unsaved: edited.size > 0 })
}
