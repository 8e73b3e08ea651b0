// SPDX-License-Identifier: Apache-2.0
// Windows by modality, and the ranges they mean.
export interface Preset {
  name: string // text key below 'preset.'
  label?: string // of a reader's own window
  centre: number
  width: number
}

const CT: Preset[] = [
  { name: 'lung', centre: -600, width: 1500 },
  { name: 'mediastinum', centre: 40, width: 400 },
  { name: 'bone', centre: 400, width: 1800 },
  { name: 'brain', centre: 40, width: 80 },
  { name: 'abdomen', centre: 60, width: 350 },
  { name: 'liver', centre: 80, width: 150 },
  { name: 'stroke', centre: 35, width: 40 },
  { name: 'angio', centre: 300, width: 600 },
]

/** Windows of a modality for the keys 2-9, the reader's own if there are; key 1 is the window of the image itself. */
export function presetsFor(modality: string, own?: readonly { name: string; centre: number; width: number }[]): Preset[] {
  if (own) return own.map(({ name, centre, width }) => ({ name: '', label: name, centre, width }))
  return modality === 'CT' ? CT : []
}

/** The window of images that bring none; undefined: from darkest to brightest. */
export function usualWindow(modality: string, description: string): Preset | undefined {
  if (modality !== 'CT') return undefined
  const named = CT.find((p) => description.toLowerCase().includes(p.name))
  return named ?? CT[1]
}

/** Lowest and highest value of a window (PS3.3 C.11.2.1.2, LINEAR). */
export function rangeOf(centre: number, width: number): { lower: number; upper: number } {
  return { lower: centre - 0.5 - (width - 1) / 2, upper: centre - 0.5 + (width - 1) / 2 }
}

export function windowOf(range: { lower: number; upper: number }): { centre: number; width: number } {
  const width = range.upper - range.lower + 1
  return { centre: range.lower + 0.5 + (width - 1) / 2, width }
}
