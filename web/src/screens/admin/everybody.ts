// SPDX-License-Identifier: Apache-2.0
// The people of the organisation, for names and choices: more than one page of them.
import { queryOptions } from '@tanstack/react-query'
import { listUsers, type UserRead } from '../../api/generated'

const PAGE = 200
const MOST = 5000

/** Ask for all people, page by page; beyond MOST the newest are without a name here. */
export const everybodyOptions = queryOptions({
  queryKey: ['everybody'],
  staleTime: 60_000,
  queryFn: async ({ signal }) => {
    const found: UserRead[] = []
    let cursor: string | undefined
    do {
      const { data } = await listUsers({ query: { limit: PAGE, cursor }, signal, throwOnError: true })
      found.push(...data.items)
      cursor = data.next ?? undefined
    } while (cursor && found.length < MOST)
    return found
  },
})
