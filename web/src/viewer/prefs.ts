// SPDX-License-Identifier: Apache-2.0
// What a reader likes in the viewer: keys, the layout to begin with, windows. Kept with the person's
// preferences by the server; here they stand with the defaults filled in.
import { create } from 'zustand'
import { changePreferences, usePreferences } from '../api/preferences'
import type { PreferencesPatch, PreferencesRead } from '../api/generated'
import type { Layout } from './store'

export const ACTIONS = [
  'window', 'scroll', 'pan', 'zoom', 'length', 'angle', 'bidirectional', 'ellipse', 'rectangle', 'probe', 'arrow', 'erase', 'crosshairs',
  'invert', 'flipHorizontal', 'flipVertical', 'rotate', 'reset', 'undo', 'redo', 'save', 'texts', 'overlays', 'link',
  'layout1', 'layout2', 'layout4', 'mpr', 'mip', 'space', 'previousSeries', 'nextSeries', 'previousSlice', 'nextSlice',
  'firstSlice', 'lastSlice', 'help',
] as const
export type Action = (typeof ACTIONS)[number]
export type KeyMap = Record<Action, string>

export const KEYS: KeyMap = {
  window: 'w', scroll: 's', pan: 'p', zoom: 'z', length: 'l', angle: 'g', bidirectional: 'b', ellipse: 'e', rectangle: 'q',
  probe: 'h', arrow: 't', erase: 'Delete', crosshairs: 'c', invert: 'i', flipHorizontal: 'x', flipVertical: 'y', rotate: 'r',
  reset: '0', undo: 'Ctrl+z', redo: 'Ctrl+y', save: 'Ctrl+s', texts: 'v', overlays: 'o', link: 'k', layout1: 'F1', layout2: 'F2',
  layout4: 'F3', mpr: 'F4', mip: 'F6', space: 'F7', previousSeries: 'PageUp', nextSeries: 'PageDown', previousSlice: 'ArrowUp',
  nextSlice: 'ArrowDown', firstSlice: 'Home', lastSlice: 'End', help: '?',
}

export interface OwnWindow {
  name: string
  centre: number
  width: number
}

export interface Prefs {
  keys: KeyMap
  layout: Record<string, Layout> // by modality
  windows: Record<string, OwnWindow[]> // by modality; without: the usual ones
  opacity: number
}

export const MODALITIES = ['CT', 'MR', 'CR', 'DX', 'MG', 'PT', 'NM', 'US', 'XA', 'RF', 'IO', 'PX', 'OT']
export const MOST_WINDOWS = 8 // the keys 2-9
const OPACITY = 0.35

/** The preferences with the defaults of this viewer. */
export function prefsOf(known: PreferencesRead): Prefs {
  return {
    keys: { ...KEYS, ...(known.keys as Partial<KeyMap>) },
    layout: { ...(known.layouts as Record<string, Layout>) },
    windows: { ...(known.windows as Record<string, OwnWindow[]>) },
    opacity: known.opacity ?? OPACITY,
  }
}

export const usePrefs = create<Prefs>(() => prefsOf(usePreferences.getState().known))
usePreferences.subscribe(({ known }) => {
  usePrefs.setState(prefsOf(known))
})

/** Change some keys; one that is the default again is not kept. */
export function keepKeys(change: Partial<KeyMap>): void {
  const keys = Object.entries(change).map(([action, key]) => [action, key === KEYS[action as Action] ? null : key])
  changePreferences({ keys: Object.fromEntries(keys) as PreferencesPatch['keys'] & object })
}

/** Keep the layout to begin with; modalities the server does not know of are left alone. */
export function keepLayout(modality: string, layout: Layout): void {
  if (MODALITIES.includes(modality)) changePreferences({ layouts: { [modality]: layout } as PreferencesPatch['layouts'] & object })
}

/** Keep own windows of a modality; undefined: the usual ones again. */
export function keepWindows(modality: string, windows: OwnWindow[] | undefined): void {
  if (MODALITIES.includes(modality)) changePreferences({ windows: { [modality]: windows ?? null } as PreferencesPatch['windows'] & object })
}

export function keepOpacity(opacity: number): void {
  changePreferences({ opacity })
}

/** Everything as it was at first; the language stays. */
export function resetPrefs(): void {
  changePreferences({ keys: null, layouts: null, windows: null, opacity: null })
}

/** 'Ctrl+z', 'F2', 'w' of a key press. */
export function pressed(event: KeyboardEvent): string {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
  return `${event.ctrlKey || event.metaKey ? 'Ctrl+' : ''}${event.altKey ? 'Alt+' : ''}${key}`
}
