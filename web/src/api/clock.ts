// SPDX-License-Identifier: Apache-2.0
// Deadlines follow the server's clock: the smallest offset seen between its Date header and ours.
let offsetMs = 0
let known = false

/** Take a Date header (whole seconds) as news about the server's clock. */
export function noteServerDate(header: string | null): void {
  const at = header ? Date.parse(header) : Number.NaN
  if (Number.isNaN(at)) return
  const seen = at + 500 - Date.now() // the header is cut to the second: on average half a second late
  if (!known || Math.abs(seen - offsetMs) > 1500) offsetMs = seen
  known = true
}

/** Milliseconds since 1970 by the server's clock. */
export function serverNow(): number {
  return Date.now() + offsetMs
}
