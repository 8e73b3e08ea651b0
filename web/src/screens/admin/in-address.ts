// SPDX-License-Identifier: Apache-2.0
// One filter of a list in the address, so that it can be kept, shared and gone back to.
import { useSearchParams } from 'react-router'

/** Return the value (undefined when it is none of the known ones) and how to change it. */
export function useInAddress<Value extends string>(name: string, known: readonly Value[]) {
  const [params, setParams] = useSearchParams()
  const value = known.find((k) => k === params.get(name))
  const change = (to: Value | undefined) => {
    setParams((before) => {
      const next = new URLSearchParams(before)
      if (to) next.set(name, to)
      else next.delete(name)
      return next
    })
  }
  return [value, change] as const
}

/** A text that a list is searched by; '' when there is none. */
export function useTextInAddress(name: string) {
  const [params, setParams] = useSearchParams()
  const change = (to: string) => {
    setParams((before) => {
      const next = new URLSearchParams(before)
      if (to.trim()) next.set(name, to.trim())
      else next.delete(name)
      return next
    })
  }
  return [params.get(name) ?? '', change] as const
}
