// SPDX-License-Identifier: Apache-2.0
// Opens a study: its series, the first picture, its overlays and saved measurements, priors.
import { firstSeries, hasImages } from './dicom/series'
import { listSeries, type Place } from './dicom/web'
import { linkWhenThere } from './linking'
import { imagesOfSeries } from './loading'
import { bringBack, reportsOf } from './measure/saving'
import type { Report } from './measure/reading'
import { fillSlots } from './slots'
import { goToTarget } from './jumping'
import { listSegmentations } from './overlays/show'
import { usePrefs } from './prefs'
import { GRID, view, type Layout, type StudyHere } from './store'

export interface StudyToOpen {
  place: Place
  date: string
  description: string
}

async function bring(study: StudyToOpen, prior: boolean): Promise<StudyHere> {
  const series = await listSeries(study.place)
  return { ...study, prior, series }
}

/** Open a study while the ``engine`` starts. Raises WebTrouble. Returns the reports in it. */
export async function openStudy(study: StudyToOpen, engine: Promise<void>): Promise<Report[]> {
  engine.catch(() => undefined) // met below; the series may fail before
  const here = await bring(study, false)
  const first = firstSeries(here.series)
  const layout: Layout = usePrefs.getState().layout[first?.modality ?? ''] ?? '1x1'
  view.set({ studies: [here], layout: GRID[layout] ? layout : '1x1' })
  if (layout === '1x2' || layout === '2x2') fillSlots(first)
  if (!view.get().target && first) view.put(0, first.key)
  if (view.get().target) {
    goToTarget()
    if (!view.get().slots[0]?.series && first && !here.series.some((s) => s.uid === view.get().target?.seriesUid)) view.put(0, first.key)
  }
  if (first) imagesOfSeries(first.key).catch(() => undefined) // the tile asks for them, and tells
  const [reports] = await Promise.all([reportsOf(here), listSegmentations(here), engine])
  goToTarget()
  void bringBack(here, reports)
  return reports
}

/** Open an earlier study beside the open one, its series most like the shown one at the right, scrolling with it. */
export async function openPrior(study: StudyToOpen): Promise<void> {
  const known = view.get().studies.find((s) => s.place.studyUid === study.place.studyUid)
  const there = known ?? (await bring(study, true))
  if (!known) view.set(({ studies }) => ({ studies: [...studies, there] }))
  const { slots, studies } = view.get()
  const now = studies.flatMap((s) => s.series).find((s) => s.key === slots[0]?.series)
  const alike = there.series.filter((s) => hasImages(s.modality) && s.modality === now?.modality)
  const named = alike.find((s) => s.description === now?.description)
  const chosen = named ?? firstSeries(alike) ?? firstSeries(there.series)
  view.set({ layout: '1x2', active: 0 })
  if (chosen) {
    view.put(1, chosen.key)
    void linkWhenThere(0, 1)
  }
  if (!known) await bringBack(there, await reportsOf(there))
}
