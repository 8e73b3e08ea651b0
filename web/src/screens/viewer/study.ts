// SPDX-License-Identifier: Apache-2.0
// The study that an address of the viewer names; light, since it is asked before the viewer's code is there.
import { queryOptions } from '@tanstack/react-query'
import { getStudy, listStudies, type StudyRead } from '../../api/generated'
import { problemOf } from '../../api/problem'
import { takeStudy } from '../../app/early'
import { isUid } from '../../viewer/first/find'

/** A study by our id or by its UID; null when there is none. */
async function findStudy(named: string, space: string): Promise<StudyRead | null> {
  const early = await takeStudy(named, space)
  if (early !== undefined) return early
  if (isUid(named)) {
    const { data } = await listStudies({ query: { study_uid: named, space, limit: 1 }, throwOnError: true })
    return data.items[0] ?? null
  }
  return (await getStudy({ path: { study_id: named }, throwOnError: true })).data
}

export const studyOptions = (named: string, space: string) =>
  queryOptions({
    queryKey: ['viewer-study', named, space],
    queryFn: () => findStudy(named, space),
    retryOnMount: ({ state }) => problemOf(state.error)?.status !== 404, // it was just said that there is none
  })
