// SPDX-License-Identifier: Apache-2.0
// What was typed and is not on the server yet, kept in this browser: it survives a reload, a lost
// network and the end of a session. One entry per person and report, removed once it is saved.
import type { ReportContent } from '../../../api/generated'

export interface Kept {
  revision: number // of the report it was typed over
  content: ReportContent
}

const name = (person: string, report: string) => `hv-draft:${person}:${report}`

export function keep(person: string, report: string, kept: Kept): void {
  try {
    localStorage.setItem(name(person, report), JSON.stringify(kept))
  } catch {
    // the browser's store is full or closed: the server copy is the only one then
  }
}

export function forget(person: string, report: string): void {
  try {
    localStorage.removeItem(name(person, report))
  } catch {
    // nothing was kept then
  }
}

export function kept(person: string, report: string): Kept | undefined {
  try {
    const found = JSON.parse(localStorage.getItem(name(person, report)) ?? 'null') as Partial<Kept> | null
    return found && typeof found.revision === 'number' && typeof found.content === 'object' ? (found as Kept) : undefined
  } catch {
    return undefined
  }
}

const FIELDS = ['language', 'polarity', 'critical', 'clinical', 'technique', 'comparison', 'findings', 'impression', 'recommendation', 'items'] as const

/** Tell whether two texts of a report say the same. */
export function same(a: ReportContent, b: ReportContent): boolean {
  return FIELDS.every((f) => JSON.stringify(a[f] ?? null) === JSON.stringify(b[f] ?? null))
}

export type Beginning = { kind: 'server' | 'restored' | 'conflict'; content: ReportContent }

/** What to begin with: the server's text, what was kept of it, or both when somebody else wrote since. */
export function beginning(server: { revision: number; content: ReportContent }, found: Kept | undefined): Beginning {
  if (!found || same(found.content, server.content)) return { kind: 'server', content: server.content }
  return { kind: found.revision === server.revision ? 'restored' : 'conflict', content: found.content }
}
