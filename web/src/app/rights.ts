// SPDX-License-Identifier: Apache-2.0

/** Tell whether permissions ('room:verb', 'room:*', '*') hold one. */
export function holds(permissions: readonly string[], wanted: string): boolean {
  if (permissions.includes(wanted)) return true
  if (wanted.startsWith('installation:')) return false
  return permissions.includes('*') || permissions.includes(`${wanted.split(':')[0]}:*`)
}
