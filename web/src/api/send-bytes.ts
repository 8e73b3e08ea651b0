// SPDX-License-Identifier: Apache-2.0
// Sends bytes with progress, which fetch() cannot tell: presigned parts and STOW bodies.
import { begin, setReachable } from './reachable'
import { noteBytes } from './recorder'
import { csrfHeaders } from './transport'

export class SendFailed extends Error {
  constructor(
    readonly status: number, // 0: no connection
    readonly document: unknown,
    readonly foreign = false, // by the object store, not by our server
  ) {
    super(`status ${status}`)
  }
}

export interface Sending {
  method: string
  url: string
  headers: Record<string, string>
  body: Blob
  signal: AbortSignal
  progress: (sent: number) => void
  own?: boolean // true: with the session (STOW); false: the URL is the proof
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** The path of one of our own presigned URLs, whatever host name the page was opened with. */
export function ownPath(url: string): string {
  const found = new URL(url, window.location.origin)
  return found.pathname.startsWith('/v1/blobs/') ? found.pathname + found.search : url
}

/** What the object store's refusal is to a person: the browser does not tell why it could not send. */
function refusedByStore(status: number, url: string): SendFailed {
  const code = status === 0 ? 'object-store-closed' : 'object-store-refused'
  const detail = new URL(url, window.location.origin).origin
  return new SendFailed(status, { type: `urn:healthvision:problem:${code}`, title: '', detail, status: status || 502 }, true)
}

/** Return the answer's JSON (undefined when it has none); throws SendFailed, and AbortError. */
export function sendBytes(what: Sending): Promise<unknown> {
  noteBytes(what.method, what.url, what.own ? 'dicom' : 'part')
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    const call = begin()
    const cancel = () => {
      request.abort()
    }
    const foreign = new URL(ownPath(what.url), window.location.origin).origin !== window.location.origin
    request.open(what.method, ownPath(what.url))
    const headers = { ...what.headers, ...(what.own ? csrfHeaders() : {}) }
    for (const [name, value] of Object.entries(headers)) {
      if (name.toLowerCase() !== 'content-length') request.setRequestHeader(name, value)
    }
    request.upload.onprogress = (event) => {
      what.progress(event.loaded)
    }
    request.onload = () => {
      if (!foreign) setReachable(true, call)
      if (request.status < 300) resolve(foreign ? undefined : parsed(request.responseText))
      else if (foreign) reject(refusedByStore(request.status, what.url))
      else reject(new SendFailed(request.status, parsed(request.responseText)))
    }
    request.onerror = () => {
      if (!foreign) setReachable(false, call)
      reject(foreign ? refusedByStore(0, what.url) : new SendFailed(0, undefined))
    }
    request.onabort = () => {
      reject(new DOMException('cancelled', 'AbortError'))
    }
    request.onloadend = () => {
      what.signal.removeEventListener('abort', cancel)
    }
    what.signal.addEventListener('abort', cancel)
    request.send(what.body)
  })
}
