// SPDX-License-Identifier: Apache-2.0
// What went wrong, out of whatever a call threw (RFC 9457 documents of our server).
import type { ProblemDocument } from './generated/types.gen'

/** Return the problem document of an error, or undefined when it is none. */
export function problemOf(error: unknown): ProblemDocument | undefined {
  const found = error as Partial<ProblemDocument> | null
  return typeof found === 'object' && typeof found?.type === 'string' && typeof found.status === 'number'
    ? (found as ProblemDocument)
    : undefined
}

/** Return the short code of a problem, e.g. 'not-found'. */
export function codeOf(error: unknown): string | undefined {
  return problemOf(error)?.type.split(':').pop()
}
