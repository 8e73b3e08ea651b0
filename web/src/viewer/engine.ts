// SPDX-License-Identifier: Apache-2.0
// Cornerstone3D, started once per page: one rendering engine, frames by our DICOMweb with retries.
import { cache, imageLoader, init as startCore, RenderingEngine, type Types } from '@cornerstonejs/core'
import { init as startLoader, wadors } from '@cornerstonejs/dicom-image-loader'
import { init as startTools } from '@cornerstonejs/tools'
import { transport } from '../api/transport'
import type { ViewImage } from './dicom/series'
import { addTools } from './toolset'

export const ENGINE = 'hv'
const CACHE_BYTES = 2_000_000_000
const PAUSES_MS = [300, 900, 2500]

let started: Promise<void> | undefined
let engine: RenderingEngine | undefined

interface FrameError {
  status?: number
}

async function loadFrame(imageId: string, options: object): Promise<Types.IImage> {
  for (let round = 0; ; round += 1) {
    try {
      const { promise } = wadors.loadImage(imageId, { ...options }) as { promise: Promise<Types.IImage> }
      return await promise
    } catch (error) {
      const status = (error as FrameError | undefined)?.status
      const wait = PAUSES_MS[round]
      if (wait === undefined || !passing(status)) throw error
      if (status === 401) await transport('/v1/me') // waits for the new sign-in
      await new Promise((resolve) => setTimeout(resolve, wait))
    }
  }
}

/** Lost network (0), busy server, ended session: worth another try. A frame nobody can decode is not. */
function passing(status: number | undefined): boolean {
  return status !== undefined && (status === 0 || status === 401 || status === 429 || status >= 500)
}

async function start(): Promise<void> {
  startCore()
  cache.setMaxCacheSize(CACHE_BYTES)
  startLoader({ maxWebWorkers: Math.min(4, Math.max(1, Math.floor((navigator.hardwareConcurrency || 2) / 2))) })
  imageLoader.registerImageLoader('wadors', (imageId, options) => ({
    promise: loadFrame(imageId, options ?? {}) as Promise<never>,
  }))
  startTools()
  addTools()
  return Promise.resolve()
}

export function startEngine(): Promise<void> {
  started ??= start()
  return started
}

/** The engine of the open viewer page. */
export function theEngine(): RenderingEngine {
  engine ??= new RenderingEngine(ENGINE)
  return engine
}

/** Give graphics and frames back when the page closes. */
export function endEngine(): void {
  engine?.destroy()
  engine = undefined
  cache.purgeCache()
}

export function isRunning(): boolean {
  return engine !== undefined && !engine.hasBeenDestroyed
}

const noted = new Set<string>()

/** Tell the loader what it must know of the images. */
export function noteImages(images: readonly ViewImage[]): void {
  for (const image of images) {
    if (image.frame !== 1 || noted.has(image.imageId)) continue
    wadors.metaDataManager.add(image.imageId, image.dataset as never)
    noted.add(image.imageId)
  }
}
