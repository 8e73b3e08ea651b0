// SPDX-License-Identifier: Apache-2.0
// Notes the calls behind the open screen, so that the API drawer can show them as curl and Python.
import { create } from 'zustand'

export interface RecordedCall {
  id: number
  method: string
  path: string // with query, without origin
  contentType: string | null
  body: string | null // JSON and form texts only
}

interface Recorder {
  calls: RecordedCall[]
}

const MOST = 60
const HIDDEN = ['/ui/session', '/healthz'] // holds a password; the page's own question
let last = 0

export const useRecorder = create<Recorder>(() => ({ calls: [] }))

/** Start a new list: another screen was opened. */
export function clearCalls(): void {
  useRecorder.setState({ calls: [] })
}

function keep(call: RecordedCall): void {
  const same = (c: RecordedCall): boolean =>
    c.method === call.method && c.path === call.path && c.body === call.body
  const others = useRecorder.getState().calls.filter((c) => !same(c))
  useRecorder.setState({ calls: [...others, call].slice(-MOST) })
}

/** Note one call of the client. */
export function note(request: Request, url: URL): void {
  if (HIDDEN.includes(url.pathname)) return
  const contentType = request.headers.get('content-type')
  const call = {
    id: (last += 1),
    method: request.method,
    path: url.pathname + url.search,
    contentType,
    body: null as string | null,
  }
  if (!contentType?.includes('json')) {
    keep(call)
    return
  }
  void request.text().then((body) => keep({ ...call, body: body || null }))
}
