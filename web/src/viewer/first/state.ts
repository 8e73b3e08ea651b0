// SPDX-License-Identifier: Apache-2.0
// The picture of the first image, from when it can be seen until the viewer has drawn the image itself.
// What takes the processor or the graphics for long (the viewer's code, its engine) waits for it.
import { create } from 'zustand'
import type { FirstImage } from './choose'

export interface FirstPicture extends FirstImage {
  element: HTMLImageElement // decoded; moved from one place to the next, so that it never blinks
}

export const useFirst = create<{ picture: FirstPicture | undefined }>(() => ({ picture: undefined }))

const LONGEST_WAIT_MS = 1500 // from opening the study; then the viewer starts without a picture
const NAME = 'hv-first'

let turn = 0
let settle: () => void = () => undefined
let settled: Promise<void> = Promise.resolve()

/** Wait until the first picture is on the screen, or is known not to come soon. */
export function firstSettled(): Promise<void> {
  return settled
}

/** The image is drawn, or nothing is to be shown: no picture now, nor later from what is on its way. */
export function dropFirst(): void {
  turn += 1
  settle()
  if (useFirst.getState().picture) useFirst.setState({ picture: undefined })
}

/** A study is opened. ``find`` looks for its first image; its picture stands when it is decoded. One that
 * cannot be had is left to the viewer, which tells why. */
export async function expectFirst(find: () => Promise<FirstImage | undefined>): Promise<void> {
  dropFirst()
  const own = turn
  const end = new Promise<void>((resolve) => {
    settle = resolve
    setTimeout(resolve, LONGEST_WAIT_MS)
  })
  settled = end
  try {
    const image = await find()
    if (!image || own !== turn) return
    const element = await pictureOf(image.url)
    if (own !== turn) return
    const seen = painted()
    useFirst.setState({ picture: { ...image, element } })
    await Promise.race([seen, end])
  } catch {
    // no picture
  } finally {
    if (own === turn) settle()
  }
}

/** Raises what decode() raises for a picture that cannot be had. */
async function pictureOf(url: string): Promise<HTMLImageElement> {
  const element = new Image()
  element.alt = ''
  element.draggable = false
  element.decoding = 'sync'
  element.setAttribute('elementtiming', NAME)
  element.src = url
  await element.decode()
  return element
}

/** Wait until the next first picture is on the screen; a browser that does not tell gets two frames for it. */
function painted(): Promise<void> {
  return new Promise((resolve) => {
    if (!PerformanceObserver.supportedEntryTypes.includes('element')) {
      requestAnimationFrame(() => requestAnimationFrame(() => { resolve() }))
      return
    }
    const observer = new PerformanceObserver((list) => {
      if (!list.getEntries().some((entry) => (entry as { identifier?: string }).identifier === NAME)) return
      observer.disconnect()
      resolve()
    })
    observer.observe({ type: 'element' })
  })
}
