// SPDX-License-Identifier: Apache-2.0
// Linked scrolling: the same place in one frame of reference, the same distance across two.
import { Enums, type StackViewport } from '@cornerstonejs/core'
import { nearest } from './dicom/series'
import { dot, minus, normalOf, plus, times, type Vec } from './geometry'
import { stackId, portOf } from './viewports'
import { GRID, view } from './store'

let following = false
const offsets = new Map<string, number>() // 'from>to' -> mm along the normal, when linked

function imageAt(slot: number) {
  const { slots, loaded } = view.get()
  const key = slots[slot]?.series
  const images = key ? loaded[key]?.images : undefined
  const port = portOf(stackId(slot)) as StackViewport | undefined
  if (!images || !port) return undefined
  const index = port.getCurrentImageIdIndex()
  return { images, port, index, image: images[index] }
}

function slotsShown(): number[] {
  const { layout } = view.get()
  return layout === 'mpr' || layout === 'mip' || layout === '3d' ? [] : Array.from({ length: GRID[layout] }, (_, i) => i)
}

/** Switch linking; the slices as they stand now belong together. */
export function setLinked(linked: boolean): void {
  offsets.clear()
  view.set({ linked })
  if (!linked) return
  for (const a of slotsShown()) for (const b of slotsShown()) if (a !== b) noteOffset(a, b)
}

const there = (slot: number) => Boolean(imageAt(slot)?.image)
const LONGEST_MS = 60_000

/** Link two tiles as soon as both show an image; gives up when one never does. */
export async function linkWhenThere(a: number, b: number): Promise<void> {
  for (const end = Date.now() + LONGEST_MS; Date.now() < end; ) {
    const { layout, slots } = view.get()
    if (layout !== '1x2') return // something else was chosen meanwhile
    if (slots[b]?.series && there(a) && there(b)) {
      bringTogether(a, b)
      sameScale(a, b)
      setLinked(true)
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 60))
  }
}

/** Fit both anew and show them in one scale: a millimetre is as long in both. */
function sameScale(a: number, b: number): void {
  const ports = [imageAt(a)?.port, imageAt(b)?.port].filter((p) => p !== undefined)
  for (const port of ports) port.resetCamera()
  const parallelScale = Math.max(...ports.map((p) => p.getCamera().parallelScale ?? 0))
  for (const port of ports) {
    if (parallelScale > 0) port.setCamera({ parallelScale })
    port.render()
  }
}

/** Begin at the same place of the patient when both studies share their frame of reference. */
function bringTogether(a: number, b: number): void {
  const [from, to] = [imageAt(a), imageAt(b)]
  const plane = from?.image?.plane
  if (!to || !plane || !from.image?.frameOfReference || from.image.frameOfReference !== to.image?.frameOfReference) return
  const found = nearest(to.images, plane.position)
  if (found && found.index !== to.index) void to.port.setImageIdIndex(found.index)
}

function noteOffset(a: number, b: number): void {
  const from = imageAt(a)
  const to = imageAt(b)
  const [p, q] = [from?.image?.plane, to?.image?.plane]
  if (!from || !to || !p || !q) return
  const same = from.image?.frameOfReference !== '' && from.image?.frameOfReference === to.image?.frameOfReference
  offsets.set(`${a}>${b}`, same ? 0 : dot(minus(q.position, p.position), normalOf(p)))
}

/** Let the other piles follow this one while linking is on. Returns the way to stop. */
export function linkFrom(id: string): () => void {
  const port = portOf(id)
  if (!port) return () => undefined
  const slot = Number(id.split('-')[1])
  const moved = () => {
    if (!view.get().linked || following) return
    following = true
    try {
      for (const other of slotsShown()) if (other !== slot) follow(slot, other)
    } finally {
      following = false
    }
  }
  const element = port.element
  element.addEventListener(Enums.Events.STACK_NEW_IMAGE, moved)
  return () => {
    element.removeEventListener(Enums.Events.STACK_NEW_IMAGE, moved)
  }
}

function follow(a: number, b: number): void {
  const from = imageAt(a)
  const to = imageAt(b)
  const plane = from?.image?.plane
  if (!from || !to || !plane) return
  if (!offsets.has(`${a}>${b}`)) noteOffset(a, b)
  const goal: Vec = plus(plane.position, times(normalOf(plane), offsets.get(`${a}>${b}`) ?? 0))
  const found = nearest(to.images, goal)
  if (found && found.index !== to.index) void to.port.setImageIdIndex(found.index)
}
