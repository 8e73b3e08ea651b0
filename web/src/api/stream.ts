// SPDX-License-Identifier: Apache-2.0
// Server-sent events that survive lost networks, server restarts and new sign-ins.
import { useEffect, useRef } from 'react'
import { getMe, health } from './generated'
import { useReachable } from './reachable'

export type Handlers = Record<string, (data: string) => void>

const LATER_MS = 3000

/** Listen to a stream while ``url`` is set; handlers by event name, always the newest ones. */
export function useStream(url: string | undefined, handlers: Handlers): void {
  const current = useRef(handlers)
  useEffect(() => {
    current.current = handlers
  })
  const names = Object.keys(handlers).sort().join(' ')
  useEffect(() => {
    if (!url || typeof EventSource === 'undefined') return undefined
    let source: EventSource | undefined
    let timer = 0
    let over = false
    const open = () => {
      source = new EventSource(url)
      for (const name of names.split(' ')) {
        source.addEventListener(name, (event) => current.current[name]?.((event as MessageEvent<string>).data))
      }
      source.onerror = () => {
        // is the server there? The answer, or none, tells it to the page (see transport)
        if (!over && useReachable.getState().reachable) void health().catch(() => undefined)
        // CONNECTING: the browser goes on by itself; CLOSED: refused, perhaps the session has ended
        if (source?.readyState !== EventSource.CLOSED || over) return
        timer = window.setTimeout(() => {
          getMe({ throwOnError: true }).then(
            () => {
              if (!over) open()
            },
            () => {
              if (!over) timer = window.setTimeout(open, LATER_MS)
            },
          )
        }, LATER_MS)
      }
    }
    open()
    return () => {
      over = true
      window.clearTimeout(timer)
      source?.close()
    }
  }, [url, names])
}
