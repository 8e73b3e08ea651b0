// SPDX-License-Identifier: Apache-2.0
// Goes to a finding: its series, its slice, a cross on its place, its overlay.
import { nearest, type ViewImage } from './dicom/series'
import { toWorld } from './geometry'
import { imagesOfSeries } from './loading'
import { revealSegment } from './overlays/show'
import { view, type Target } from './store'
import { centreAt } from './toolset'
import { isStack, portOf, stackId } from './viewports'

/** Show a place; safe to call before the study is there (it is gone to later). */
export function jumpTo(target: Target): void {
  view.set({ target: { ...target, asked: Date.now() } })
  goToTarget()
}

function keyOf(target: Target): string | undefined {
  const { studies, slots, active } = view.get()
  const here = studies.find((s) => !s.prior)
  const named = here?.series.find((s) => s.uid === target.seriesUid)
  return named?.key ?? (target.seriesUid ? undefined : slots[active]?.series)
}

function indexOf(images: readonly ViewImage[], target: Target): number {
  const frame = target.frame ?? 1
  const named = images.findIndex((i) => i.sopUid === target.sopUid && (i.frames === 1 || i.frame === frame))
  if (named >= 0) return named
  return target.position ? (nearest(images, target.position)?.index ?? 0) : 0
}

/** Go to the asked place with what is loaded. */
export function goToTarget(): void {
  const { target } = view.get()
  const key = target && keyOf(target)
  if (!target || !key) return
  void imagesOfSeries(key).then((images) => {
    if (view.get().target?.asked === target.asked) show(target, key, images)
  })
}

function show(target: Target, key: string, images: readonly ViewImage[]): void {
  const index = indexOf(images, target)
  const { layout, active, slots, studies } = view.get()
  const plane = images[index]?.plane
  const position = target.position ?? (plane ? toWorld(plane, [plane.columns / 2, plane.rows / 2]) : undefined)
  const studyUid = studies.find((s) => !s.prior)?.place.studyUid ?? ''
  view.set({ mark: target.position ? { position: target.position, studyUid } : undefined })
  if (target.segment) void revealSegment(key, target.segment)
  if (layout === 'mpr') {
    if (slots[active]?.series !== key) view.put(active, key, index)
    else if (position) centreAt(position)
    return
  }
  if (layout !== '1x1' && layout !== '1x2' && layout !== '2x2') view.set({ layout: '1x1' })
  const at = slots[active]?.series === key ? active : Math.max(0, slots.findIndex((s) => s.series === key))
  const port = portOf(stackId(at))
  if (slots[at]?.series === key && port && isStack(port) && port.getImageIds().length === images.length) {
    view.set({ active: at })
    void port.setImageIdIndex(index)
  } else view.put(at, key, index)
}
