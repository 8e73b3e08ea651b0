// SPDX-License-Identifier: Apache-2.0
// From the address of the viewer to the image it will show first.
import { askAhead } from '../dicom/web'
import { firstImage, type FirstImage } from './choose'

/** Name of the study in the address of the viewer; undefined elsewhere, and when no study can be so named. */
export function studyIn(pathname: string): string | undefined {
  const named = /^\/viewer\/([^/]+)$/.exec(pathname)?.[1]
  try {
    return named && decodeURIComponent(named)
  } catch {
    return undefined // not percent-encoded: the screen tells
  }
}

export const isUid = (named: string): boolean => /^[\d.]+$/.test(named)

export function spaceIn(search: string): string {
  return new URLSearchParams(search).get('space') ?? 'default'
}

/** Ask for the first series of a study; returns its first image where the viewer will show that one, and alone.
 * ``layouts``: how many pictures a person wants of which modality. */
export async function findFirst(studyUid: string, search: string, layouts: () => Record<string, string>): Promise<FirstImage | undefined> {
  const query = new URLSearchParams(search)
  const found = await askAhead({ space: spaceIn(search), studyUid })
  if (!found || query.has('result') || query.has('prior')) return undefined // another image, or beside another one
  return (layouts()[found.item.modality] ?? '1x1') === '1x1' ? firstImage(found.item, found.images) : undefined
}
