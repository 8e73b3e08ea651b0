// SPDX-License-Identifier: Apache-2.0
// Which picture stands for the first image until the viewer has drawn it. Only where the server's picture
// is sure to look like the drawn one: a plain grey image with a linear window; else there is none.
import { number, numbers, text, type Dataset } from '../dicom/dataset'
import type { SeriesItem, ViewImage } from '../dicom/series'
import { usualWindow } from '../presets'

export interface FirstImage {
  studyUid: string
  seriesKey: string
  sopUid: string
  aspect: number // width by height as it is shown
  url: string
}

const LARGEST_SIDE = 1024 // pixels; larger ones are made smaller by the server
const OTHER_SCALES = new Set(['PT', 'NM']) // the viewer may show other values than the stored ones
// modality table; table, floating, double pixels; enhanced objects, whose values stand per frame
const NOT_PLAIN = ['00283000', '7FE00008', '7FE00009', '52009229', '52009230']

function isPlain(ds: Dataset): boolean {
  if (NOT_PLAIN.some((tag) => ds[tag])) return false
  if (text(ds, '00280004') !== 'MONOCHROME2' || (number(ds, '00280002') ?? 1) !== 1) return false
  return text(ds, '20500020') !== 'INVERSE' && !OTHER_SCALES.has(text(ds, '00080060'))
}

/** The window the viewer begins with; undefined where it is another than a linear one that is known here. */
function windowOf(ds: Dataset, item: SeriesItem): { centre: number; width: number } | undefined {
  if (!ds['00281050'] && !ds['00281051']) return ds['00283010'] ? undefined : usualWindow(item.modality, item.description)
  const centre = number(ds, '00281050')
  const width = number(ds, '00281051')
  const linear = ['', 'LINEAR'].includes(text(ds, '00281056'))
  return linear && centre !== undefined && width !== undefined && width > 1 ? { centre, width } : undefined
}

/** Width by height on the screen; undefined where pixels are oblong without a size. */
function aspectOf(ds: Dataset): number | undefined {
  const rows = number(ds, '00280010') ?? 0
  const columns = number(ds, '00280011') ?? 0
  const [down = 0, across = 0] = numbers(ds, '00280030')
  if (rows < 1 || columns < 1) return undefined
  if (down > 0 && across > 0) return (columns * across) / (rows * down)
  const [high = 1, wide = 1] = numbers(ds, '00280034')
  return ds['00280030'] || high !== wide ? undefined : columns / rows
}

/** The picture of the image that the viewer shows first; undefined: the viewer shows it when it is ready. */
export function firstImage(item: SeriesItem, images: readonly ViewImage[]): FirstImage | undefined {
  const [first] = images
  if (!first || first.frames !== 1 || !isPlain(first.dataset)) return undefined
  const shown = windowOf(first.dataset, item)
  const aspect = aspectOf(first.dataset)
  if (!shown || !aspect) return undefined
  const root = first.imageId.replace(/^wadors:/, '').replace(/\/frames\/1$/, '')
  const query = new URLSearchParams({ accept: 'image/png', window: `${shown.centre},${shown.width}` })
  const side = Math.max(number(first.dataset, '00280010') ?? 0, number(first.dataset, '00280011') ?? 0)
  if (side > LARGEST_SIDE) query.set('viewport', `${LARGEST_SIDE},${LARGEST_SIDE}`)
  return { studyUid: item.studyUid, seriesKey: item.key, sopUid: first.sopUid, aspect, url: `${root}/rendered?${query.toString()}` }
}
