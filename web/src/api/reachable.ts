// SPDX-License-Identifier: Apache-2.0
// Whether the server answered lately.
import { create } from 'zustand'

export const useReachable = create<{ reachable: boolean }>(() => ({ reachable: true }))

export function setReachable(reachable: boolean): void {
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
