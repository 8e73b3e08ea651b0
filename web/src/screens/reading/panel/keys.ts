// SPDX-License-Identifier: Apache-2.0
// Keys of reading: none of them is one of the viewer's, and none works while somebody types.
import { useEffect, useLayoutEffect, useRef } from 'react'

export const READING_KEYS = {
  next: '.',
  previous: ',',
  accept: 'a',
  reject: 'd',
  modify: 'm',
  undo: 'u',
} as const
export type ReadingAction = keyof typeof READING_KEYS

/** Tell whether a key press belongs to a field, a menu or a dialog. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  return target.isContentEditable || target.closest('input, textarea, select, [role="dialog"], [role="listbox"]') !== null
}

export function actionOf(event: KeyboardEvent): ReadingAction | undefined {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || isTyping(event.target)) return undefined
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
  return (Object.keys(READING_KEYS) as ReadingAction[]).find((name) => READING_KEYS[name] === key)
}

export function useReadingKeys(on: boolean, act: (action: ReadingAction) => void): void {
  const current = useRef(act)
  useLayoutEffect(() => {
    current.current = act // with the paint: what is seen can be answered at once
  })
  useEffect(() => {
    if (!on) return undefined
    const listen = (event: KeyboardEvent) => {
      const action = actionOf(event)
      if (!action) return
      event.preventDefault()
      current.current(action)
    }
    window.addEventListener('keydown', listen)
    return () => {
      window.removeEventListener('keydown', listen)
    }
  }, [on])
}
