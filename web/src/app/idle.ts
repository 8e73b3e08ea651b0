// SPDX-License-Identifier: Apache-2.0
// Auto log-off: without keys, mouse or touch for the server's time the session ends here too.
import { useEffect } from 'react'
import { signOut } from '../api/generated'
import { lastDoing, noteDoing } from '../api/doing'

const EVENTS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart'] as const
const LOOK_MS = 5000

/** End the session after ``seconds`` without the person's doing; ``ended`` undefined: not now. */
export function useIdleSignOut(seconds: number | undefined, ended: (() => void) | undefined): void {
  useEffect(() => {
    for (const name of EVENTS) window.addEventListener(name, noteDoing, { passive: true })
    return () => {
      for (const name of EVENTS) window.removeEventListener(name, noteDoing)
    }
  }, [])
  useEffect(() => {
    if (!seconds || !ended) return undefined
    noteDoing()
    const timer = window.setInterval(() => {
      if (Date.now() - lastDoing() < seconds * 1000) return
      window.clearInterval(timer)
      void signOut().catch(() => undefined)
      ended()
    }, LOOK_MS)
    return () => {
      window.clearInterval(timer)
    }
  }, [seconds, ended])
}
