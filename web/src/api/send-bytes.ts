// SPDX-License-Identifier: Apache-2.0
// Sends bytes with progress, which fetch() cannot tell: presigned parts and STOW bodies.
import { setReachable } from './reachable'
import { csrfHeaders } from './transport'

export class SendFailed extends Error {
  constructor(
    readonly status: number, // 0: no connection
    readonly document: unknown,
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

/** Return the answer's JSON (undefined when it has none); throws SendFailed, and AbortError. */
export function sendBytes(what: Sending): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    const cancel = () => {
      request.abort()
    }
    request.open(what.method, ownPath(what.url))
    const headers = { ...what.headers, ...(what.own ? csrfHeaders() : {}) }
    for (const [name, value] of Object.entries(headers)) {
      if (name.toLowerCase() !== 'content-length') request.setRequestHeader(name, value)
    }
    request.upload.onprogress = (event) => {
      what.progress(event.loaded)
    }
    request.onload = () => {
      setReachable(true)
      if (request.status < 300) resolve(parsed(request.responseText))
      else reject(new SendFailed(request.status, parsed(request.responseText)))
    }
    request.onerror = () => {
      setReachable(false)
      reject(new SendFailed(0, undefined))
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
