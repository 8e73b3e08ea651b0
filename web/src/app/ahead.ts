// SPDX-License-Identifier: Apache-2.0
// The viewer is by far the largest part of the interface. Its code is asked for when the pointer or the
// keyboard comes to a list of studies; what the first picture needs, and a picture of it, together with the code.
// Nothing of a study is asked before it is opened: that would stand in the audit log as a reading.
import { useQueryClient, type QueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { usePreferences } from '../api/preferences'
import { useReachable } from '../api/reachable'
import type { StudyRead } from '../api/generated'
import { callsAhead } from '../api/recorder'
import { studyOptions } from '../screens/viewer/study'
import type { FirstImage } from '../viewer/first/choose'
import { findFirst, isUid, spaceIn, studyIn } from '../viewer/first/find'
import { dropFirst, expectFirst } from '../viewer/first/state'
import { anew } from './chunks'
import { handOver, takeOpened } from './early'
import { useSession } from './session'
import type { makeRouter } from './routes'

export const loadViewer = anew(() => import('../screens/viewer'))

/** Fetch the viewer's code without running it: that takes the processor, and the first picture needs it more. */
export function fetchViewer(): void {
  const href = document.querySelector<HTMLMetaElement>('meta[name=hv-viewer]')?.content
  if (!href || document.querySelector(`link[href="${href}"]`)) return
  const link = document.createElement('link')
  link.rel = 'modulepreload'
  link.href = href
  document.head.append(link)
}

/** Bring the viewer's code and its engine when it is likely to be needed soon. Safe to call often. */
export function expectViewer(): void {
  if (!useReachable.getState().reachable) return
  loadViewer()
    .then((screen) => screen.prepare())
    .catch(() => undefined) // opening a study tells
}

interface Address {
  pathname: string
  search: string
  state: unknown
}

/** What a link to the viewer may carry: the UID of the study, so that its series can be asked for at once. */
export interface Opening {
  studyUid: string
}

function uidOf({ state }: Address, named: string): string | undefined {
  return isUid(named) ? named : (state as Partial<Opening> | null)?.studyUid
}

/** Ask for the study and its first series; returns the image that the viewer will show first, where that is known. */
async function find(queries: QueryClient, to: Address, named: string): Promise<FirstImage | undefined> {
  const study = askStudy(queries, to, named)
  const studyUid = uidOf(to, named) ?? (await study)?.study_uid
  return studyUid ? findFirst(studyUid, to.search, () => usePreferences.getState().known.layouts ?? {}) : undefined
}

function askStudy(queries: QueryClient, to: Address, named: string): Promise<StudyRead | null> {
  return queries.fetchQuery(studyOptions(named, spaceIn(to.search))).catch(() => null) // the screen asks again, and tells
}

/** Follow the addresses of a router: the data of a study is asked for while its screen is on its way. */
export function Ahead({ router }: { router: ReturnType<typeof makeRouter> }) {
  const queries = useQueryClient()
  const { can } = useSession()
  const may = can('studies:read')
  useEffect(() => {
    let seen = ''
    handOver()
    const look = (to: Address) => {
      const first = seen === ''
      if (seen === to.pathname) return
      seen = to.pathname
      const named = studyIn(to.pathname)
      if (first && may && named && takeOpened(to.pathname)) {
        void askStudy(queries, to, named)
        return
      }
      dropFirst()
      if (!may || !named) return
      if (!first) callsAhead()
      void expectFirst(() => find(queries, to, named))
    }
    look(router.state.location)
    const stop = router.subscribe(({ navigation, location }) => look(navigation.location ?? location))
    return () => {
      stop()
      dropFirst() // who signs in next on this page sees nothing of it
    }
  }, [router, queries, may])
  return null
}
