// SPDX-License-Identifier: Apache-2.0
// Key presses wait for the request before them; none is lost because the network is slow.
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'

/** Return a function that does ``perform`` now, or when ``busy`` is over, in the order asked.
 *
 * ``perform`` returns the request it began (it settles also when it fails), or nothing.
 */
export function useInOrder<Wish>(busy: boolean, perform: (wish: Wish) => Promise<void> | undefined): (wish: Wish) => void {
  const waiting = useRef<Wish[]>([])
  const begun = useRef(false) // a request began; the next wish waits for the render after its end
  const [ends, setEnds] = useState(0)
  const current = useRef(perform)
  const drain = useCallback(() => {
    while (!begun.current) {
      const wish = waiting.current.shift()
      if (wish === undefined) return
      const request = current.current(wish)
      if (!request) continue
      begun.current = true
      void request.finally(() => { setEnds((n) => n + 1) })
    }
  }, [])
  useLayoutEffect(() => {
    current.current = perform
  })
  useEffect(() => {
    begun.current = busy
    drain()
  }, [busy, ends, drain])
  return useCallback(
    (wish: Wish) => {
      waiting.current.push(wish)
      drain()
    },
    [drain],
  )
}
