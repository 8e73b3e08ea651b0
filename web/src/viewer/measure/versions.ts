// SPDX-License-Identifier: Apache-2.0
// Savings of one reader follow each other by the reports they name as predecessors. Two that were
// made at the same time both stand until the next saving joins them: nothing is lost.
import { sameAuthor, type Author } from './model'
import type { Group, Report } from './reading'

const newer = (a: Report, b: Report) => a.number - b.number || a.at.localeCompare(b.at)

/** The savings of a reader that no later one of the same reader replaces, oldest first. */
export function headsOf(reports: readonly Report[], author: Author): Report[] {
  const own = reports.filter((r) => r.own && sameAuthor(r.author, author))
  const replaced = new Set(own.flatMap((r) => r.before))
  return own.filter((r) => !replaced.has(r.sopUid)).sort(newer)
}

/** The measurements of a reader that stand now, one for each tracking UID. */
export function standing(reports: readonly Report[], author: Author): Group[] {
  const groups = new Map<string, Group>()
  for (const report of headsOf(reports, author)) for (const group of report.groups) groups.set(group.uid, group)
  return [...groups.values()]
}

/** Everybody who saved measurements with this viewer. */
export function authorsOf(reports: readonly Report[]): Author[] {
  const found: Author[] = []
  for (const { own, author } of reports) {
    if (own && !found.some((known) => sameAuthor(known, author))) found.push(author)
  }
  return found
}

/** What stands of all readers. */
export function allStanding(reports: readonly Report[]): Group[] {
  return authorsOf(reports).flatMap((author) => standing(reports, author))
}

/** The next saving: what stands, without what is replaced or taken away; untouched ones as they were written. */
export function untouched(before: readonly Group[], replaced: ReadonlySet<string>, removed: ReadonlySet<string>): Group[] {
  return before.filter((g) => !replaced.has(g.uid) && !removed.has(g.uid))
}
