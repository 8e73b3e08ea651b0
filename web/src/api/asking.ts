// SPDX-License-Identifier: Apache-2.0
// Ask the server again after something was changed.
import type { QueryClient, QueryFilters } from '@tanstack/react-query'

/** Ask again for what the filters name, once for all; an answer from before the change does not count.
 *
 * Invalidating alone keeps a first question that is still under way, and with it an answer that
 * may be older than the change.
 */
export async function askAgain(queries: QueryClient, ...filters: QueryFilters[]): Promise<void> {
  const all = filters.length > 0 ? filters : [{}]
  await Promise.all(all.map((f) => queries.cancelQueries(f)))
  await Promise.all(all.map((f) => queries.invalidateQueries(f)))
}
