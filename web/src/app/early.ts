// SPDX-License-Identifier: Apache-2.0
// What is asked before the interface has started, which takes the processor far longer than the answers take:
// who is signed in and, at the address of a study, what the first picture needs. Nothing of a study is asked
// for somebody who is not signed in or may not read studies.
import type { SessionRead, SessionState, StudyRead } from '../api/generated'
import { readKept } from '../api/kept'
import { problemOf } from '../api/problem'
import { transport } from '../api/transport'
import type { FirstImage } from '../viewer/first/choose'
import { findFirst, isUid, spaceIn, studyIn } from '../viewer/first/find'
import { endStanding, standFirst } from '../viewer/first/standing'
import { expectFirst, useFirst } from '../viewer/first/state'
import { holds } from './rights'

const HELD_MS = 700 // the longest that the interface waits for the picture

let session: Promise<SessionState> | undefined
let study: { named: string; space: string; found: Promise<StudyRead | null> } | undefined
let opened: string | undefined // the address whose study was asked for
let unwatch: () => void = () => undefined

/** Raises an error that tells what our server tells: see problemOf(). */
async function json<T>(path: string): Promise<T> {
  const answer = await transport(window.location.origin + path)
  if (!answer.ok) {
    const told = (await answer.json().catch(() => ({}))) as object
    throw Object.assign(new Error(`${path} answered ${answer.status}`), told)
  }
  return (await answer.json()) as T
}

async function askStudy(named: string, space: string): Promise<StudyRead | null> {
  if (!isUid(named)) return json<StudyRead>(`/v1/studies/${encodeURIComponent(named)}`)
  const query = new URLSearchParams({ study_uid: named, space, limit: '1' })
  return (await json<{ items: StudyRead[] }>(`/v1/studies?${query.toString()}`)).items[0] ?? null
}

/** Ask for a study and its first series; the first image, where the viewer will show it alone. */
async function find(named: string, { me }: SessionRead): Promise<FirstImage | undefined> {
  const { pathname, search } = window.location
  const space = spaceIn(search)
  const found = askStudy(named, space)
  found.catch(() => undefined) // the screen asks again, and tells
  study = { named, space, found }
  opened = pathname
  const studyUid = isUid(named) ? named : (await found)?.study_uid
  return studyUid ? findFirst(studyUid, search, () => readKept(me.user?.id ?? '').known.layouts ?? {}) : undefined
}

/** Ask now. Ends when the interface may start: the first picture stands, or is not soon to be had. */
export async function openEarly(): Promise<void> {
  session = json<SessionState>('/ui/session')
  session.catch(() => undefined) // the one who takes it tells
  const named = studyIn(window.location.pathname)
  if (!named) return
  unwatch()
  unwatch = useFirst.subscribe(({ picture }) => {
    if (picture) standFirst(picture)
    else handOver()
  })
  const first = session
    .then(async ({ session: signedIn }) => {
      if (signedIn && holds(signedIn.me.permissions, 'studies:read')) await expectFirst(() => find(named, signedIn))
    })
    .catch(() => undefined)
  await Promise.race([first, new Promise((resolve) => setTimeout(resolve, HELD_MS))])
}

/** From here on the interface alone shows the picture, also one that comes late. */
export function handOver(): void {
  unwatch()
  endStanding()
}

/** Who is signed in, once; undefined: to be asked. */
export function takeSession(): Promise<SessionState> | undefined {
  const asked = session
  session = undefined
  return asked
}

/** The study of the address, once; undefined: to be asked. Raises the error of a study that is not there. */
export async function takeStudy(named: string, space: string): Promise<StudyRead | null | undefined> {
  const asked = study
  if (asked?.named !== named || asked.space !== space) return undefined
  study = undefined
  return asked.found.catch((error: unknown) => (problemOf(error)?.status === 404 ? asked.found : undefined))
}

/** Tell, once, whether the study of an address was asked for here. */
export function takeOpened(address: string): boolean {
  const own = opened === address
  opened = undefined
  return own
}
