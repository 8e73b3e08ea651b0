// SPDX-License-Identifier: Apache-2.0
// Which series stands in which tile.
import { hasImages, type SeriesItem } from './dicom/series'
import { view } from './store'

/** Fill empty tiles with the next series of the study. */
export function fillSlots(first?: SeriesItem): void {
  if (first) view.put(0, first.key)
  const { studies, slots } = view.get()
  const shown = new Set(slots.map((s) => s.series))
  const free = studies.filter((s) => !s.prior).flatMap((s) => s.series).filter((s) => hasImages(s.modality) && !shown.has(s.key))
  slots.forEach((slot, i) => {
    const next = slot.series ? undefined : free.shift()
    if (next) view.put(i, next.key)
  })
}
