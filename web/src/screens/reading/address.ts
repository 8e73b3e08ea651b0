// SPDX-License-Identifier: Apache-2.0

/** The viewer of a study, in a space the person may read. */
export function viewerAddress(study: string, spaces: readonly string[], more: Record<string, string> = {}): string {
  const [first = 'default'] = spaces.includes('default') ? [] : spaces
  const query = new URLSearchParams({ ...(first === 'default' ? {} : { space: first }), ...more }).toString()
  return `/viewer/${study}${query ? `?${query}` : ''}`
}
