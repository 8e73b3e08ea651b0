// SPDX-License-Identifier: Apache-2.0
// What a reader likes: keys, the layout to begin with, texts. Kept in this browser per person.
import { create } from 'zustand'
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

export interface Prefs {
  keys: KeyMap
  layout: Record<string, Layout> // by modality
  opacity: number
}

interface Kept extends Prefs {
  owner: string
}

const STORE = 'hv-viewer'

function read(owner: string): Prefs {
  try {
    const kept = JSON.parse(localStorage.getItem(`${STORE}:${owner}`) ?? '{}') as Partial<Prefs>
    return { keys: { ...KEYS, ...kept.keys }, layout: { ...kept.layout }, opacity: kept.opacity ?? 0.35 }
  } catch {
    return { keys: KEYS, layout: {}, opacity: 0.35 }
  }
}

export const usePrefs = create<Kept>(() => ({ owner: '', ...read('') }))

/** Take the likings of a person. */
export function openPrefs(owner: string): void {
  usePrefs.setState({ owner, ...read(owner) })
}

export function keepPrefs(change: Partial<Prefs>): void {
  usePrefs.setState(change)
  const { owner, keys, layout, opacity } = usePrefs.getState()
  localStorage.setItem(`${STORE}:${owner}`, JSON.stringify({ keys, layout, opacity }))
}

/** 'Ctrl+z', 'F2', 'w' of a key press. */
export function pressed(event: KeyboardEvent): string {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
  return `${event.ctrlKey || event.metaKey ? 'Ctrl+' : ''}${event.altKey ? 'Alt+' : ''}${key}`
}
