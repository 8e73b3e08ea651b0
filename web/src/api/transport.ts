// SPDX-License-Identifier: Apache-2.0
// The one way to the server. It adds the CSRF token, follows the server's clock, notes every call
// for the API drawer, tells a lost network, and asks to sign in again without losing the call.
import { noteServerDate } from './clock'
import { isBackground } from './doing'
import { note } from './recorder'
import { begin, setReachable } from './reachable'

const UNSAFE = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])
const SESSION = '/ui/session'

let csrf = ''
let whenExpired: (() => Promise<void>) | undefined

/** Keep the token of the running session; '' when there is none. */
export function setCsrf(token: string): void {
  csrf = token
}

/** Headers that a request outside the generated client needs (e.g. a STOW of the viewer). */
export function csrfHeaders(): Record<string, string> {
  return csrf ? { 'X-CSRF-Token': csrf } : {}
}

/** Say what a 401 waits for: the promise ends when the person has signed in again. */
export function onExpired(handler: (() => Promise<void>) | undefined): void {
  whenExpired = handler
}

function prepared(request: Request): Request {
  const headers = new Headers(request.headers)
  if (UNSAFE.has(request.method) && csrf) headers.set('X-CSRF-Token', csrf)
  if (isBackground()) headers.set('X-Background', '1')
  headers.set('Accept-Language', document.documentElement.lang || 'zh-CN')
  return new Request(request, { headers })
}

async function reach(request: Request): Promise<Response> {
  const call = begin()
  try {
    const response = await fetch(prepared(request.clone()))
    setReachable(true, call)
    noteServerDate(response.headers.get('date'))
    return response
  } catch (error) {
    if (!(error instanceof DOMException && error.name === 'AbortError')) setReachable(false, call)
    throw error
  }
}

/** fetch() of the generated client. */
export const transport: typeof fetch = async (input, init) => {
  const request = new Request(input, init)
  const path = new URL(request.url, window.location.origin)
  note(request.clone(), path)
  const response = await reach(request)
  if (response.status !== 401 || path.pathname.startsWith(SESSION) || !whenExpired) return response
  await whenExpired()
  return reach(request)
}
