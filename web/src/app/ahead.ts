// SPDX-License-Identifier: Apache-2.0
// The viewer is by far the largest part of the interface. Its code is asked for when the pointer or the
// keyboard comes to a list of studies; what the first picture needs is asked for together with the code.
// Nothing of a study is asked before it is opened: that would stand in the audit log as a reading.
import { useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { useReachable } from '../api/reachable'
import { callsAhead } from '../api/recorder'
import { studyOptions } from '../screens/viewer/study'
import { askAhead } from '../viewer/dicom/web'
import { useSession } from './session'
import type { makeRouter } from './routes'

export const loadViewer = () => import('../screens/viewer')

/** Bring the viewer's code and its engine when it is likely to be needed soon. Safe to call often. */
export function expectViewer(): void {
  if (!useReachable.getState().reachable) return
  loadViewer()
    .then((screen) => screen.prepare())
    .catch(() => undefined) // opening a study tells
}

/** Name of the study in the address of the viewer; undefined elsewhere, and when no study can be so named. */
export function studyIn(pathname: string): string | undefined {
  const named = /^\/viewer\/([^/]+)$/.exec(pathname)?.[1]
  try {
    return named && decodeURIComponent(named)
  } catch {
    return undefined // not percent-encoded: the screen tells
  }
}

interface Address {
  pathname: string
  search: string
}

/** Follow the addresses of a router: the data of a study is asked for while its screen is on its way. */
export function Ahead({ router }: { router: ReturnType<typeof makeRouter> }) {
  const queries = useQueryClient()
  const { can } = useSession()
  const may = can('studies:read')
  useEffect(() => {
    let seen = ''
    const look = (to: Address) => {
      const first = seen === ''
      if (seen === to.pathname) return
      seen = to.pathname
      const named = studyIn(to.pathname)
      if (!may || !named) return
      const space = new URLSearchParams(to.search).get('space') ?? 'default'
      if (!first) callsAhead()
      queries.fetchQuery(studyOptions(named, space)).then(
        (study) => study && askAhead({ space, studyUid: study.study_uid }),
        () => undefined, // the screen asks again, and tells
      )
    }
    look(router.state.location)
    return router.subscribe(({ navigation, location }) => look(navigation.location ?? location))
  }, [router, queries, may])
  return null
}
