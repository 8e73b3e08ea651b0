// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import i18next, { resources } from '.'

type Tree = { [name: string]: unknown }

function keys(tree: Tree, before = ''): string[] {
  return Object.entries(tree).flatMap(([name, value]) =>
    typeof value === 'object' && value !== null ? keys(value as Tree, `${before}${name}.`) : [before + name],
  )
}

const FORM = /_(one|other)$/

/** The key without the form for one or for several, which English has and Chinese has not. */
const plain = (key: string) => key.replace(FORM, '')

function unique(all: string[]): string[] {
  return [...new Set(all)].sort()
}

/** What each key fills in; the forms of one key fill in the same. */
function places(tree: Tree, before = ''): string[] {
  return unique(
    Object.entries(tree).flatMap(([name, value]) => {
      if (typeof value === 'object' && value !== null) return places(value as Tree, `${before}${name}.`)
      return [`${plain(before + name)}: ${(String(value).match(/\{\{[^}]*\}\}/g) ?? []).sort().join()}`]
    }),
  )
}

function texts(tree: Tree): string[] {
  return Object.values(tree).flatMap((value) =>
    typeof value === 'object' && value !== null ? texts(value as Tree) : [String(value)],
  )
}

// words that stay English in Chinese texts: names, units, standards
const KEPT = /https?:\S+|\{\{[^}]*\}\}|<[^>]*>|[A-Z][A-Za-z0-9+-]*(?:[ -][A-Z0-9][A-Za-z0-9+-]*)*|\b(?:mm|ms|curl|webhook|lung-ct|brain-mri|p95|kHz|cm|ml)\b|\b[a-z]+(?:[._:/-][a-z0-9]+)+/g

describe('texts', () => {
  const all = resources()
  const names = [...new Set([...Object.keys(all['zh-CN'] ?? {}), ...Object.keys(all.en ?? {})])]

  it.each(names)('%s has the same keys in both languages', (name) => {
    expect(keys(all['zh-CN']?.[name] ?? {}).sort()).toEqual(unique(keys(all.en?.[name] ?? {}).map(plain)))
  })

  it.each(names)('%s has in English both forms of a key or none', (name) => {
    const found = keys(all.en?.[name] ?? {})
    const forms = found.filter((key) => FORM.test(key)).map(plain)
    expect(forms.filter((key) => !found.includes(`${key}_one`) || !found.includes(`${key}_other`) || found.includes(key))).toEqual([])
  })

  it.each(names)('%s has no English leftovers in zh-CN', (name) => {
    const left = texts(all['zh-CN']?.[name] ?? {}).filter((text) => /[a-z]{3,}/.test(text.replace(KEPT, '')))
    expect(left).toEqual([])
  })

  it.each(names)('%s fills the same places in both languages', (name) => {
    expect(places(all['zh-CN']?.[name] ?? {})).toEqual(places(all.en?.[name] ?? {}))
  })

  it('say one and several in English', () => {
    const both = (count: number) => i18next.getFixedT('en', 'worklist')('batch.title', { count })
    expect([both(1), both(2)]).toEqual(['Analyse 1 study', 'Analyse 2 studies'])
    expect(i18next.getFixedT('zh-CN', 'worklist')('batch.title', { count: 1 })).toContain('1')
  })
})
