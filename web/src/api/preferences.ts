// SPDX-License-Identifier: Apache-2.0
// What a person likes: kept by the server, so it follows to every browser. This browser keeps a copy
// for the first moment and for times without network; what could not be sent yet is sent later.
import { create } from 'zustand'
import { changeMyPreferences, getMyPreferences, type PreferencesPatch, type PreferencesRead } from './generated'
import { NOTHING, readKept, writeKept, type KeptHere } from './kept'

const PAUSE_MS = 400 // several changes in a row go in one call

interface Kept extends KeptHere {
  owner: string // '' while nobody is signed in
}

export const usePreferences = create<Kept>(() => ({ owner: '', known: NOTHING, pending: [] }))

const GROUPS = ['keys', 'layouts', 'windows'] as const
type Group = Record<string, unknown>

/** What is known after a change: null takes one, or a whole group, back to the default. */
export function applied(known: PreferencesRead, patch: PreferencesPatch): PreferencesRead {
  const next: Record<string, unknown> = { ...known }
  for (const [name, value] of Object.entries(patch)) {
    if (!GROUPS.includes(name as never)) next[name] = value
    else if (value === null) next[name] = {}
    else {
      const merged = { ...(next[name] as Group), ...(value as Group) }
      next[name] = Object.fromEntries(Object.entries(merged).filter(([, v]) => v !== null))
    }
  }
  return next as unknown as PreferencesRead
}

/** Changes with one more; it joins the last one, the later value counting, unless that took its group back. */
export function joined(before: readonly PreferencesPatch[], after: PreferencesPatch): PreferencesPatch[] {
  const last = before.at(-1)
  if (!last || GROUPS.some((name) => last[name] === null && after[name])) return [...before, after]
  const next: Record<string, unknown> = { ...last, ...after }
  for (const name of GROUPS) if (last[name] && after[name]) next[name] = { ...last[name], ...after[name] }
  return [...before.slice(0, -1), next as PreferencesPatch]
}

function keep(): void {
  const { owner, known, pending } = usePreferences.getState()
  if (owner) writeKept(owner, { known, pending })
}

const latest = (known: PreferencesRead, pending: readonly PreferencesPatch[]) => pending.reduce(applied, known)

async function send(first: PreferencesPatch | undefined): Promise<PreferencesRead> {
  if (!first) return (await getMyPreferences({ throwOnError: true })).data
  return (await changeMyPreferences({ body: first, throwOnError: true })).data
}

/** Send what is pending, else ask; what changes meanwhile is sent after it. */
async function exchange(): Promise<void> {
  const { owner, pending } = usePreferences.getState()
  const [first] = pending
  if (!owner) return
  if (first) usePreferences.setState({ pending: pending.slice(1) })
  try {
    const data = await send(first)
    if (usePreferences.getState().owner !== owner) return
    usePreferences.setState((now) => ({ known: latest({ ...NOTHING, ...data }, now.pending) }))
  } catch (error) {
    const refused = (error as { status?: number } | undefined)?.status === 422 // the same again would not help
    if (usePreferences.getState().owner !== owner) return
    if (first && !refused) usePreferences.setState((now) => ({ pending: [first, ...now.pending] }))
    keep()
    return
  }
  keep()
  if (usePreferences.getState().pending.length > 0) await exchange()
}

let running: Promise<void> = Promise.resolve()
function settle(): Promise<void> {
  running = running.then(exchange)
  return running
}

/** Take the preferences of a person: the copy at once, the server's when they come. */
export async function openPreferences(owner: string, due?: PreferencesPatch): Promise<void> {
  const { known, pending } = readKept(owner)
  const all = due ? joined(pending, due) : pending
  usePreferences.setState({ owner, known: latest(known, all), pending: all })
  await settle()
}

export function closePreferences(): void {
  usePreferences.setState({ owner: '', known: NOTHING, pending: [] })
}

let waiting = 0

/** Change something: shown at once, sent soon. */
export function changePreferences(patch: PreferencesPatch): void {
  usePreferences.setState(({ known, pending }) => ({ known: applied(known, patch), pending: joined(pending, patch) }))
  keep()
  window.clearTimeout(waiting)
  waiting = window.setTimeout(() => void settle(), PAUSE_MS)
}

window.addEventListener('online', () => {
  if (usePreferences.getState().pending.length > 0) void settle()
})
window.addEventListener('pagehide', keep)
