// SPDX-License-Identifier: Apache-2.0
// Whether the server answered lately.
import { create } from 'zustand'

export const useReachable = create<{ reachable: boolean }>(() => ({ reachable: true }))

let begun = 0
let told = 0

/** Begin a call; its number goes to ``setReachable`` with how it ended. */
export function begin(): number {
  begun += 1
  return begun
}

/** Tell how a call ended. The late answer to a call begun before one whose end is known tells nothing
 * new: it may have been on the way when the network went. A late failure does: the network went since. */
export function setReachable(reachable: boolean, call = begin()): void {
  if (reachable && call < told) return
  told = Math.max(told, call)
  if (useReachable.getState().reachable !== reachable) useReachable.setState({ reachable })
}

const ASK_MS = 4000

/** Ask the server again and again while it is not reachable; returns how to stop. */
export function watchConnection(ask: () => Promise<unknown>): () => void {
  const lost = () => {
    setReachable(false)
  }
  const back = () => {
    if (!useReachable.getState().reachable) void ask().catch(() => undefined)
  }
  window.addEventListener('offline', lost)
  window.addEventListener('online', back)
  const timer = window.setInterval(back, ASK_MS)
  return () => {
    window.removeEventListener('offline', lost)
    window.removeEventListener('online', back)
    window.clearInterval(timer)
  }
}
