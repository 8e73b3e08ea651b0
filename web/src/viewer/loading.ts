// SPDX-License-Identifier: Apache-2.0
// Loads the images of a series: what is looked at first, the rest behind it.
import { cache, Enums, eventTarget, imageLoader, volumeLoader, type Types } from '@cornerstonejs/core'
import { loadImages } from './dicom/web'
import { volumeTrouble, type ViewImage } from './dicom/series'
import { noteImages } from './engine'
import { findSeries, view } from './store'

const AT_ONCE = 4
const COUNT_MS = 150
const KEEP = 0.6 // share of the cache that one series may fill ahead

const asked = new Map<string, Promise<ViewImage[]>>()
const running = new Set<string>()
const uncounted = new Map<string, { done: number; failed: number }>()
let counting: number | undefined
export const broken = new Map<string, string>() // image id -> why

/** The images of a series, its metadata fetched once. */
export function imagesOfSeries(key: string): Promise<ViewImage[]> {
  const known = asked.get(key)
  if (known) return known
  const found = findSeries(key)
  if (!found) return Promise.resolve([])
  const images = loadImages(found.study.place, found.item.uid).then((list) => {
    noteImages(list)
    view.set(({ loaded }) => ({ loaded: { ...loaded, [key]: { images: list, done: 0, failed: 0 } } }))
    return list
  })
  asked.set(key, images)
  images.catch(() => asked.delete(key))
  return images
}

export function forgetImages(): void {
  asked.clear()
  running.clear()
  uncounted.clear()
  broken.clear()
}

/** Why an image could not be shown, as a text key. */
export function reason(error: unknown): string {
  const status = (error as { status?: number } | undefined)?.status
  if (status === 0) return 'network'
  if (status === 404 || status === 410) return 'gone'
  if (status === 403) return 'forbidden'
  return 'undecodable'
}

function fromMiddle(count: number, start: number): number[] {
  const order: number[] = []
  for (let step = 0; order.length < count; step += 1) {
    if (start + step < count) order.push(start + step)
    if (step > 0 && start - step >= 0) order.push(start - step)
  }
  return order
}

/** Load all images of a series behind the shown one, nearest first. */
export async function prefetch(key: string, start: number): Promise<void> {
  if (running.has(key)) return
  running.add(key)
  const images = await imagesOfSeries(key)
  const order = fromMiddle(images.length, start)
  const budget = cache.getMaxCacheSize() * KEEP
  const next = async (): Promise<void> => {
    for (let at = order.shift(); at !== undefined; at = order.shift()) {
      if (!running.has(key) || cache.getCacheSize() > budget) return
      await one(key, images[at] as ViewImage)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, next))
}

async function one(key: string, image: ViewImage): Promise<void> {
  const options = { priority: 10, requestType: Enums.RequestType.Prefetch }
  try {
    await imageLoader.loadAndCacheImage(image.imageId, options as never)
    counted(key, 1, 0)
  } catch (error) {
    broken.set(image.imageId, reason(error))
    counted(key, 0, 1)
  }
}

/** Count images for the progress bar, a few times a second: drawing it for each costs more than loading. */
function counted(key: string, done: number, failed: number): void {
  const before = uncounted.get(key) ?? { done: 0, failed: 0 }
  uncounted.set(key, { done: before.done + done, failed: before.failed + failed })
  counting ??= window.setTimeout(() => {
    counting = undefined
    const all = [...uncounted]
    uncounted.clear()
    for (const [k, more] of all) view.count(k, (b) => ({ ...b, done: b.done + more.done, failed: b.failed + more.failed }))
  }, COUNT_MS)
}

export const volumeId = (key: string) => `cornerstoneStreamingImageVolume:${key}`

/** The volume of a series with its frames on the way; undefined, with a notice, when there is none. */
export async function volumeOf(key: string): Promise<Types.IImageVolume | undefined> {
  const images = await imagesOfSeries(key)
  const trouble = volumeTrouble(images)
  if (trouble) {
    view.say(`volume.${trouble}`)
    return undefined
  }
  running.delete(key) // the volume loads all frames itself
  const volume = await volumeLoader.createAndCacheVolume(volumeId(key), { imageIds: images.map((i) => i.imageId) })
  countFrames(key, images.length)
  ;(volume as unknown as { load: () => void }).load()
  return volume
}

function countFrames(key: string, total: number): void {
  const images = view.get().loaded[key]?.images ?? []
  const there = () => images.filter((i) => cache.isLoaded(i.imageId)).length
  const tick = () => {
    const done = there()
    view.count(key, (b) => ({ ...b, done }))
    if (done >= total) eventTarget.removeEventListener(Enums.Events.IMAGE_VOLUME_MODIFIED, tick)
  }
  eventTarget.addEventListener(Enums.Events.IMAGE_VOLUME_MODIFIED, tick)
  tick()
}
