// SPDX-License-Identifier: Apache-2.0
// A first image whose pixels are all equal and that brings no window: the engine makes grey values of
// an empty range out of it, which no later window can widen. Here the greys are made anew.
import { imageLoader, utilities, type StackViewport } from '@cornerstonejs/core'
import type { ViewImage } from './dicom/series'

export interface Range {
  lower: number
  upper: number
}

interface Greys {
  getRange: () => [number, number]
}
interface Property {
  getRGBTransferFunction: (index: number) => Greys | undefined
  setRGBTransferFunction: (index: number, made: unknown) => void
}

function propertyOf(port: StackViewport): Property | undefined {
  return port.getDefaultActor()?.actor.getProperty() as unknown as Property | undefined
}

/** From darkest to brightest of the middle image, since the first one says nothing. */
async function middleRange(images: readonly ViewImage[]): Promise<Range | undefined> {
  const middle = images[images.length >> 1]
  if (!middle) return undefined
  const { minPixelValue: lower, maxPixelValue: upper } = await imageLoader.loadAndCacheImage(middle.imageId)
  return upper > lower ? { lower, upper } : undefined
}

/** Let a viewport that was given its first image show the greys of a window. */
export async function mendGreys(port: StackViewport, images: readonly ViewImage[], wanted: Range | undefined): Promise<Range | undefined> {
  const property = propertyOf(port)
  const [from = 0, to = 1] = property?.getRGBTransferFunction(0)?.getRange() ?? []
  if (!property || to > from) return wanted
  const range = wanted ?? (await middleRange(images).catch(() => undefined)) ?? { lower: from, upper: from + 1 }
  property.setRGBTransferFunction(0, utilities.createLinearRGBTransferFunction(range))
  return range
}
