// SPDX-License-Identifier: Apache-2.0
// Keeps the list of measurements, stores it as a report, and brings saved ones back.
import { eventTarget } from '@cornerstonejs/core'
import { annotation, Enums } from '@cornerstonejs/tools'
import { hasImages } from '../dicom/series'
import { seriesMetadata, store } from '../dicom/web'
import { imagesOfSeries } from '../loading'
import { view, type StudyHere } from '../store'
import { toolOf } from '../toolset'
import { allPorts } from '../viewports'
import { measuredOf, pixelsOf, restore } from './drawn'
import { latest, readReport, type Group, type Report } from './reading'
import { newUid, writeReport } from './writing'

const E = Enums.Events
const CHANGES = [E.ANNOTATION_COMPLETED, E.ANNOTATION_MODIFIED, E.ANNOTATION_REMOVED, E.ANNOTATION_ADDED]
let waitingFor: Group[] = [] // saved ones whose images are not here yet
let last: Report | undefined
let reader = ''
let quiet = false

interface Change {
  annotation?: { metadata?: { toolName?: string } }
  changeType?: string
}

const EDITS = new Set(['HandlesUpdated', 'Completed', 'LabelChange', 'History'])

/** Tell whether a reader changed a measurement (and not the engine its statistics, or crosshairs). */
function isEdit({ type, detail }: CustomEvent<Change>): boolean {
  if (!toolOf(detail.annotation?.metadata?.toolName ?? '')) return false
  if (type === E.ANNOTATION_MODIFIED) return EDITS.has(detail.changeType ?? '')
  return type === E.ANNOTATION_COMPLETED || type === E.ANNOTATION_REMOVED
}

function collect(): void {
  const measured = annotation.state.getAllAnnotations().map(measuredOf).filter((m) => m !== undefined)
  view.set({ measured })
}

/** Follow what is drawn. Returns the way to stop. */
export function watchMeasured(person: string): () => void {
  reader = person
  let waiting = 0
  const changed = (event: Event) => {
    if (!quiet && isEdit(event as CustomEvent<Change>)) view.set({ unsaved: true })
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
    last = undefined
  }
}

/** The reports of a study that hold measurements. */
export async function reportsOf(study: StudyHere): Promise<Report[]> {
  const found: Report[] = []
  for (const item of study.series.filter((s) => s.modality === 'SR')) {
    const all = await seriesMetadata(study.place, item.uid).catch(() => [])
    found.push(...all.map(readReport).filter((r) => r !== undefined))
  }
  return found
}

/** Draw what was saved before; the images it lies on are looked up in all series of the study. */
export async function bringBack(study: StudyHere, reports: readonly Report[]): Promise<void> {
  const newest = latest(reports)
  last = newest.find((r) => r.observer === reader)
  waitingFor = newest.flatMap((r) => r.groups)
  bringBackMore()
  for (const item of study.series.filter((s) => hasImages(s.modality))) {
    if (waitingFor.length === 0) return
    await imagesOfSeries(item.key).catch(() => [])
    bringBackMore()
  }
}

/** Try again those whose images were not here yet. */
export function bringBackMore(): void {
  if (waitingFor.length === 0) return
  quiet = true
  waitingFor = waitingFor.filter((group) => !restore(group))
  quiet = false
  for (const port of allPorts()) port.render()
}

/** Store all measurements of the open study; earlier savings stay in the archive. */
export async function saveMeasured(): Promise<void> {
  const { studies, measured } = view.get()
  const study = studies.find((s) => !s.prior)
  const some = study?.series.find((s) => view.get().loaded[s.key]?.images.length)
  if (!study || !some) return
  const source = (await imagesOfSeries(some.key))[0]?.dataset
  if (!source) return
  collect()
  const mine = measured.filter((m) => m.studyUid === study.place.studyUid)
  const saving = {
    reader,
    source,
    seriesUid: last?.seriesUid ?? newUid(),
    sopUid: newUid(),
    number: (last?.number ?? 0) + 1,
    at: new Date(),
    before: last && { sopUid: last.sopUid, seriesUid: last.seriesUid },
    pixelsOf,
  }
  const document = writeReport(mine, saving)
  try {
    await store(study.place, document)
    last = readReport(document)
    view.set({ unsaved: false })
    view.say('save.done', { count: mine.length })
  } catch {
    view.say('save.failed')
  }
}
