// SPDX-License-Identifier: Apache-2.0
// When the person last did something: calls long after it are the page's own (X-Background).
let last = Date.now()
const QUIET_MS = 60_000

export function noteDoing(): void {
  last = Date.now()
}

export function lastDoing(): number {
  return last
}

/** Tell whether a call now is made by the page and not by the person. */
export function isBackground(): boolean {
  return Date.now() - last > QUIET_MS
}
