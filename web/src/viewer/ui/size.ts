// SPDX-License-Identifier: Apache-2.0
import { isRunning, theEngine } from '../engine'
import { allPorts, isStack } from '../viewports'

/** Piles are fitted anew with their own zoom, turn and shift; planes of a volume keep their place. */
function fitAll(): void {
  const ports = allPorts()
  const piles = ports.filter((p) => isStack(p) && p.getDefaultActor())
  const before = piles.map((p) => p.getViewPresentation())
  theEngine().resize(true, piles.length === 0)
  piles.forEach((port, i) => {
    port.setViewPresentation(before[i] as never)
    port.render()
  })
}

/** Keep the pictures as large as their tiles. */
export function watchSize(element: HTMLElement): () => void {
  let waiting = 0
  const observer = new ResizeObserver(() => {
    waiting ||= requestAnimationFrame(() => {
      waiting = 0
      if (isRunning()) fitAll()
    })
  })
  observer.observe(element)
  return () => {
    cancelAnimationFrame(waiting)
    observer.disconnect()
  }
}
