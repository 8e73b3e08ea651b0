// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from 'react'

const PAUSE_MS = 200 // between the last key and the question

/** The value as it was when it last stayed the same for a while. */
export function useSettled(value: string): string {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = window.setTimeout(() => {
      setSettled(value)
    }, PAUSE_MS)
    return () => {
      window.clearTimeout(timer)
    }
  }, [value])
  return settled
}
