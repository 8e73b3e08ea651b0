// SPDX-License-Identifier: Apache-2.0
// Names of people by their ids, asked for together: what one screen shows is one question to the server.
import { useQuery } from '@tanstack/react-query'
import { listUsers } from '../api/generated'
import { useSession } from '../app/session'

const MOST = 100 // ids in one question
const FRESH_MS = 60_000

interface Wish {
  found: (name: string | null) => void
  failed: (error: unknown) => void
}

const waiting = new Map<string, Wish[]>()

async function ask(ids: string[], wishes: Map<string, Wish[]>): Promise<void> {
  try {
    const { data } = await listUsers({ query: { id: ids, limit: ids.length }, throwOnError: true })
    const names = new Map(data.items.map((person) => [person.id, person.name]))
    for (const id of ids) wishes.get(id)?.forEach((wish) => wish.found(names.get(id) ?? null))
  } catch (error) {
    for (const id of ids) wishes.get(id)?.forEach((wish) => wish.failed(error))
  }
}

function askAll(): void {
  const wishes = new Map(waiting)
  waiting.clear()
  const ids = [...wishes.keys()]
  for (let at = 0; at < ids.length; at += MOST) void ask(ids.slice(at, at + MOST), wishes)
}

/** Return the name of a person of the organisation; null when there is none with this id. */
export function nameOf(id: string): Promise<string | null> {
  return new Promise((found, failed) => {
    if (waiting.size === 0) window.setTimeout(askAll, 0)
    waiting.set(id, [...(waiting.get(id) ?? []), { found, failed }])
  })
}

/** The name of a person; undefined while it is not known, when nobody has the id, or without the right to know it. */
export function useName(id: string | null | undefined): string | undefined {
  const { can } = useSession()
  const asked = useQuery({
    queryKey: ['name', id],
    queryFn: () => nameOf(id ?? ''),
    enabled: Boolean(id) && can('users:read'),
    staleTime: FRESH_MS,
  })
  return asked.data ?? undefined
}
