// SPDX-License-Identifier: Apache-2.0
// Who is signed in. A session that ends under way asks to sign in again over the open screen, so
// nothing typed is lost; the calls that met the end go on after it.
import { useQueryClient } from '@tanstack/react-query'
import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState } from 'react'
import type { ReactNode } from 'react'
import { getSession, signIn as postSession, signOut as deleteSession, switchOrganisation } from '../api/generated'
import type { MeRead, SessionRead, SignIn } from '../api/generated'
import { onExpired, setCsrf } from '../api/transport'
import { useIdleSignOut } from './idle'
import { useLikings } from './liking'
import { holds } from './rights'
import { takeSession } from './early'

export interface SessionContext {
  me: MeRead
  can: (permission: string) => boolean
  signOut: () => Promise<void>
  switchTo: (orgId: string) => Promise<void>
}

export interface SignInContext {
  session: SessionRead | null | undefined // undefined: not known yet
  expired: boolean
  failed: boolean
  signIn: (person: SignIn) => Promise<void>
  signOut: () => Promise<void>
  retry: () => void
}

const Here = createContext<SessionContext | null>(null)
const Door = createContext<SignInContext | null>(null)

/** The signed-in person; only below the shell. */
export function useSession(): SessionContext {
  const found = useContext(Here)
  if (!found) throw new Error('useSession: nobody is signed in')
  return found
}

/** Signing in and out. */
export function useDoor(): SignInContext {
  const found = useContext(Door)
  if (!found) throw new Error('useDoor: no SessionProvider')
  return found
}

function useExpiry(ended: () => void): () => void {
  const waiting = useRef<(() => void)[]>([])
  useEffect(() => {
    onExpired(
      () =>
        new Promise<void>((resolve) => {
          waiting.current.push(resolve)
          ended()
        }),
    )
    return () => {
      onExpired(undefined)
    }
  }, [ended])
  return useCallback(() => {
    const calls = waiting.current
    waiting.current = []
    for (const goOn of calls) goOn()
  }, [])
}

export function SessionProvider({ children }: { children: ReactNode }) {
  const [session, setSession] = useState<SessionRead | null>()
  const [expired, setExpired] = useState(false)
  const [failed, setFailed] = useState(false)
  const queries = useQueryClient()
  const person = useRef<string | undefined>(undefined)

  const keep = useCallback((next: SessionRead | null) => {
    setCsrf(next?.csrf_token ?? '')
    person.current = next ? `${next.me.org_id}:${next.me.id}` : undefined
    setSession(next)
    setExpired(false)
  }, [])

  const load = useCallback(() => {
    const asked = takeSession() ?? getSession({ throwOnError: true }).then(({ data }) => data)
    asked
      .then(({ session: found }) => {
        keep(found)
      })
      .catch(() => {
        setFailed(true)
      })
  }, [keep])
  useEffect(load, [load])
  const retry = useCallback(() => {
    setFailed(false)
    load()
  }, [load])

  const ended = useCallback(() => {
    setExpired(true)
  }, [])
  const goOn = useExpiry(ended)

  const signIn = useCallback(
    async (asked: SignIn) => {
      const before = person.current
      const { data } = await postSession({ body: asked, throwOnError: true })
      const same = before === undefined || before === `${data.me.org_id}:${data.me.id}`
      keep(data)
      if (!same) queries.clear()
      goOn()
    },
    [goOn, keep, queries],
  )
  const signOut = useCallback(async () => {
    await deleteSession().catch(() => undefined)
    keep(null)
    queries.clear()
  }, [keep, queries])
  const switchTo = useCallback(
    async (orgId: string) => {
      const { data } = await switchOrganisation({ body: { org_id: orgId }, throwOnError: true })
      keep(data)
      await queries.resetQueries()
    },
    [keep, queries],
  )
  useLikings(session?.me.user?.id)
  useIdleSignOut(session?.idle_seconds, expired ? undefined : ended)

  const door = useMemo(
    () => ({ session, expired, failed, signIn, signOut, retry }),
    [session, expired, failed, signIn, signOut, retry],
  )
  const here = useMemo<SessionContext | null>(() => {
    if (!session) return null
    const { me } = session
    return { me, can: (p) => holds(me.permissions, p), signOut, switchTo }
  }, [session, signOut, switchTo])
  return (
    <Door.Provider value={door}>
      <Here.Provider value={here}>{children}</Here.Provider>
    </Door.Provider>
  )
}
