// SPDX-License-Identifier: Apache-2.0
// Notes the calls behind the open screen, so that the API drawer can show them as curl and Python.
// Secrets are taken out before a call is kept.
import { create } from 'zustand'

/** What a call sends that is not kept: a part of an upload, or DICOM files. */
export type Sends = 'part' | 'dicom'

export interface RecordedCall {
  id: number
  method: string
  path: string // with query, without origin
  contentType: string | null
  headers: Record<string, string> // those that the call means something other without
  body: string | null // JSON and form texts only
  sends?: Sends
}

interface Recorder {
  calls: RecordedCall[]
}

const MOST = 60
const HIDDEN = ['/ui/session', '/healthz'] // holds a password; the page's own question
const KEPT_HEADERS = ['if-match', 'if-none-match', 'idempotency-key', 'prefer']
const SECRET = /pass(word|phrase)|secret|token|credential|api_?key/i
const ALL_SECRET = /password/ // in such a path every text of the body is one
export const LEFT_OUT = '***'
let last = 0 // id of the newest call

export const useRecorder = create<Recorder>(() => ({ calls: [] }))

let before: number | undefined // calls up to this one belong to the screen that is left

/** The calls from now on are of the screen that is being opened. */
export function callsAhead(): void {
  before = last
}

/** Start a new list: another screen was opened. */
export function clearCalls(): void {
  const from = before ?? last
  before = undefined
  useRecorder.setState(({ calls }) => ({ calls: calls.filter((c) => c.id > from) }))
}

/** Return a text without what opens a door, when it is an address: its user and secret parts of its query. */
function cleanText(text: string): string {
  const found = /^([a-z][a-z0-9+.-]*:\/\/)(?:[^/?#]*@)?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/is.exec(text)
  if (!found) return text
  const [, scheme = '', place = '', query, rest] = found
  return scheme + place + (query === undefined ? '' : `?${cleanQuery(query)}`) + (rest === undefined ? '' : `#${cleanQuery(rest)}`)
}

function cleanQuery(query: string): string {
  const pairs = query.split('&').map((pair) => {
    const [name = ''] = pair.split('=', 1)
    return name !== pair && SECRET.test(decoded(name)) ? `${name}=${LEFT_OUT}` : pair
  })
  return pairs.join('&')
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** ``hidden``: every text below is a secret; What lies below a secret name goes as a whole, list or object. */
function without(value: unknown, hidden: boolean): unknown {
  if (typeof value === 'string') return hidden ? LEFT_OUT : cleanText(value)
  if (Array.isArray(value)) return value.map((inner) => without(inner, hidden))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, below(name, inner, hidden)]))
}

function below(name: string, value: unknown, hidden: boolean): unknown {
  const whole = typeof value === 'string' || (typeof value === 'object' && value !== null)
  return whole && SECRET.test(name) ? LEFT_OUT : without(value, hidden)
}

/** Return a JSON text with its secrets left out; other texts as they are. ``path``: of the call. */
export function withoutSecrets(body: string, path: string): string {
  try {
    return JSON.stringify(without(JSON.parse(body), ALL_SECRET.test(path)))
  } catch {
    return body
  }
}

function pathOf(url: URL): string {
  const query = new URLSearchParams(url.search)
  const shown = (name: string, value: string) => (SECRET.test(name) ? LEFT_OUT : cleanText(value))
  if ([...query].every(([name, value]) => shown(name, value) === value)) return url.pathname + url.search
  return `${url.pathname}?${new URLSearchParams([...query].map(([name, value]) => [name, shown(name, value)])).toString()}`
}

function keep(call: RecordedCall): void {
  const same = (c: RecordedCall): boolean =>
    c.method === call.method && c.path === call.path && c.body === call.body && c.sends === call.sends
  const others = useRecorder.getState().calls.filter((c) => !same(c))
  useRecorder.setState({ calls: [...others, call].slice(-MOST) })
}

/** Note one call of the client. */
export function note(request: Request, url: URL): void {
  if (HIDDEN.includes(url.pathname)) return
  const contentType = request.headers.get('content-type')
  const headers: Record<string, string> = {}
  for (const name of KEPT_HEADERS) {
    const value = request.headers.get(name)
    if (value !== null) headers[name] = value
  }
  const call = {
    id: (last += 1),
    method: request.method,
    path: pathOf(url),
    contentType,
    headers,
    body: null as string | null,
  }
  if (!contentType?.includes('json')) {
    keep(call)
    return
  }
  void request.text().then((body) => keep({ ...call, body: body ? withoutSecrets(body, url.pathname) : null }))
}

/** Note that bytes are sent: to an address that is itself a secret ('part'), or DICOM files to our own. */
export function noteBytes(method: string, path: string, sends: Sends): void {
  keep({ id: (last += 1), method, path: sends === 'part' ? '/v1/uploads → parts[].url' : path, contentType: null, headers: {}, body: null, sends })
}
