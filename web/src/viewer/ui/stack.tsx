// SPDX-License-Identifier: Apache-2.0
// One series as a pile of images: the first at once, the rest behind it.
import { Enums, eventTarget, type StackViewport } from '@cornerstonejs/core'
import { useEffect, useRef, useState } from 'react'
import { ENGINE, isRunning, theEngine } from '../engine'
import { FirstPicture } from '../first/picture'
import { dropFirst, useFirst } from '../first/state'
import { mendGreys } from '../greys'
import { linkFrom } from '../linking'
import { broken, imagesOfSeries, prefetch, reason } from '../loading'
import { showSegmentations } from '../overlays/show'
import { useViewer, view } from '../store'
import { groupOf, PLANES } from '../toolset'
import { ownWindow, portOf, stackId } from '../viewports'
import { Tile } from './tile'
import { watchSize } from './size'

interface LoadError {
  detail: { imageId?: string; error?: unknown }
}

/** The picture that stood for the first image has done its part; the mark is for whoever measures. */
function noteFirst(): void {
  dropFirst()
  performance.mark('hv-drawn')
  if (performance.getEntriesByName('hv-open').length > 0) performance.measure('hv-first-image', 'hv-open')
}

async function fill(port: StackViewport, key: string, start: number): Promise<string | undefined> {
  const images = await imagesOfSeries(key)
  performance.mark('hv-images')
  if (images.length === 0) return 'empty'
  const at = Math.max(0, Math.min(start, images.length - 1))
  await port.setStack(
    images.map((i) => i.imageId),
    at,
  )
  performance.mark('hv-stack')
  const { carried } = view.get()
  const bare = images[at]?.dataset['00281050'] ? undefined : ownWindow(key)
  const range = await mendGreys(port, images, carried?.series === key ? carried.range : bare)
  if (range) port.setProperties({ voiRange: range })
  port.element.addEventListener(Enums.Events.IMAGE_RENDERED, noteFirst, { once: true })
  port.render()
  void prefetch(key, at)
  return undefined
}

/** Whether the picture of the first image stands in a tile: only while just that image is on its way there. */
function useStandIn(slot: number): boolean {
  const picture = useFirst((s) => s.picture)
  return useViewer(({ slots, studies, target }) => {
    const here = slots[slot]
    if (slot !== 0 || !picture || !here || target) return false
    if (here.series !== undefined) return here.series === picture.seriesKey && here.start === 0
    return studies.length === 0 || studies[0]?.place.studyUid === picture.studyUid
  })
}

export function StackTile({ slot }: { slot: number }) {
  const id = stackId(slot)
  const { series, start } = useViewer((s) => s.slots[slot]) ?? { series: undefined, start: 0 }
  const active = useViewer((s) => s.active === slot)
  const several = useViewer((s) => s.layout !== '1x1')
  const element = useRef<HTMLDivElement>(null)
  const standIn = useStandIn(slot)
  const [ready, setReady] = useState('')
  const [problem, setProblem] = useState<{ series: string; why: string | undefined }>()

  useEffect(() => {
    const div = element.current
    if (!div) return
    theEngine().enableElement({
      viewportId: id,
      type: Enums.ViewportType.STACK,
      element: div,
      defaultOptions: { background: [0, 0, 0] },
    })
    groupOf(PLANES).addViewport(id, ENGINE)
    const unwatch = watchSize(div)
    const unlink = linkFrom(id)
    return () => {
      unwatch()
      unlink()
      groupOf(PLANES).removeViewports(ENGINE, id)
      if (isRunning()) theEngine().disableElement(id)
    }
  }, [id])

  useEffect(() => {
    const port = portOf(id) as StackViewport | undefined
    if (!port || !series) return
    let here = true
    const tell = (why: string | undefined) => {
      setProblem({ series, why })
      if (why) dropFirst()
    }
    const failed = (event: Event) => {
      const { imageId, error } = (event as unknown as LoadError).detail
      if (!imageId) return
      broken.set(imageId, reason(error))
      if (here && port.getCurrentImageId() === imageId) tell(broken.get(imageId))
    }
    const changed = () => {
      tell(broken.get(port.getCurrentImageId()))
    }
    eventTarget.addEventListener(Enums.Events.IMAGE_LOAD_ERROR, failed)
    port.element.addEventListener(Enums.Events.PRE_STACK_NEW_IMAGE, changed)
    fill(port, series, start).then(
      (why) => {
        if (!here) return
        tell(why)
        setReady(series)
        void showSegmentations()
      },
      (error: unknown) => {
        if (here) tell(reason(error))
      },
    )
    return () => {
      here = false
      eventTarget.removeEventListener(Enums.Events.IMAGE_LOAD_ERROR, failed)
      port.element.removeEventListener(Enums.Events.PRE_STACK_NEW_IMAGE, changed)
    }
  }, [id, series, start])

  return (
    <Tile
      id={id}
      seriesKey={series}
      ready={ready === series && ready !== ''}
      element={element}
      active={several && active}
      first={standIn && <FirstPicture />}
      trouble={problem?.series === series ? problem?.why : undefined}
      onPick={() => {
        view.set({ active: slot })
      }}
      onDropSeries={(key) => {
        view.set({ active: slot })
        view.put(slot, key)
      }}
    />
  )
}
