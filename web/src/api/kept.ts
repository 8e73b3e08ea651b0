// SPDX-License-Identifier: Apache-2.0
// This browser's copy of what a person likes; light, since it is read before the interface has started.
import type { PreferencesPatch, PreferencesRead } from './generated'

export const NOTHING: PreferencesRead = { language: null, keys: {}, layouts: {}, windows: {}, opacity: null }
const STORE = 'hv-preferences'

export interface KeptHere {
  known: PreferencesRead
  pending: PreferencesPatch[] // changed here in this order, not with the server yet
}

export function readKept(owner: string): KeptHere {
  try {
    const kept = JSON.parse(localStorage.getItem(`${STORE}:${owner}`) ?? '{}') as Partial<KeptHere>
    return { known: { ...NOTHING, ...kept.known }, pending: Array.isArray(kept.pending) ? kept.pending : [] }
  } catch {
    return { known: NOTHING, pending: [] }
  }
}

export function writeKept(owner: string, { known, pending }: KeptHere): void {
  localStorage.setItem(`${STORE}:${owner}`, JSON.stringify({ known, pending }))
}
