// SPDX-License-Identifier: Apache-2.0
// What is asked before the interface has started, which takes the processor far longer than the answers take:
// who is signed in and, at the address of a study, what the first picture needs. Nothing of a study is asked
// for somebody who is not signed in or may not read studies.
import type { SessionRead, SessionState, StudyRead } from '../api/generated'
import { readKept } from '../api/kept'
import { transport } from '../api/transport'
import { findFirst, isUid, spaceIn, studyIn } from '../viewer/first/find'
import { endStanding, standFirst } from '../viewer/first/standing'
import { expectFirst, firstSettled, useFirst } from '../viewer/first/state'
import { holds } from './rights'

const HELD_MS = 700 // the longest that the interface waits for the picture

let session: Promise<SessionState> | undefined
let study: { named: string; space: string; found: Promise<StudyRead | null> } | undefined
let pathname: string | undefined

async function json<T>(path: string): Promise<T> {
  const answer = await transport(window.location.origin + path)
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`)
  return (await answer.json()) as T
}

async function askStudy(named: string, space: string): Promise<StudyRead | null> {
  if (!isUid(named)) return json<StudyRead>(`/v1/studies/${encodeURIComponent(named)}`)
  const query = new URLSearchParams({ study_uid: named, space, limit: '1' })
  return (await json<{ items: StudyRead[] }>(`/v1/studies?${query.toString()}`)).items[0] ?? null
}

/** Ask for a study and its first series; the first image, where the viewer will show it alone. */
async function find(named: string, { me }: SessionRead): Promise<ReturnType<typeof findFirst>> {
  const { search } = window.location
  const space = spaceIn(search)
  const found = askStudy(named, space)
  found.catch(() => undefined) // the screen asks again, and tells
  study = { named, space, found }
  const studyUid = isUid(named) ? named : (await found)?.study_uid
  return studyUid ? findFirst(studyUid, search, () => readKept(me.user?.id ?? '').known.layouts ?? {}) : undefined
}

/** Ask now. Ends when the interface may start: the first picture stands, or is not soon to be had. */
export async function openEarly(): Promise<void> {
  session = json<SessionState>('/ui/session')
  session.catch(() => undefined) // the one who takes it tells
  const named = studyIn(window.location.pathname)
  if (!named) return
  const asked = session
  pathname = window.location.pathname
  void expectFirst(async () => {
    const { session: signedIn } = await asked
    return signedIn && holds(signedIn.me.permissions, 'studies:read') ? find(named, signedIn) : undefined
  })
  const unwatch = useFirst.subscribe(({ picture }) => {
    if (picture) standFirst(picture)
    else endStanding()
    if (!picture) unwatch()
  })
  await Promise.race([firstSettled(), new Promise((resolve) => setTimeout(resolve, HELD_MS))])
}

/** Who is signed in, once; undefined: to be asked. */
export function takeSession(): Promise<SessionState> | undefined {
  const asked = session
  session = undefined
  return asked
}

/** The study of the address, once; undefined: to be asked. */
export async function takeStudy(named: string, space: string): Promise<StudyRead | null | undefined> {
  const asked = study
  if (asked?.named !== named || asked.space !== space) return undefined
  study = undefined
  return asked.found.catch(() => undefined)
}

/** Tell, once, whether the first picture of an address was asked for here. */
export function takeOpened(address: string): boolean {
  const own = pathname === address
  pathname = undefined
  return own
}
