// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest'
import { resources } from '.'

type Tree = { [name: string]: unknown }

function keys(tree: Tree, before = ''): string[] {
  return Object.entries(tree).flatMap(([name, value]) =>
    typeof value === 'object' && value !== null ? keys(value as Tree, `${before}${name}.`) : [before + name],
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
    expect(keys(all['zh-CN']?.[name] ?? {}).sort()).toEqual(keys(all.en?.[name] ?? {}).sort())
  })

  it.each(names)('%s has no English leftovers in zh-CN', (name) => {
    const left = texts(all['zh-CN']?.[name] ?? {}).filter((text) => /[a-z]{3,}/.test(text.replace(KEPT, '')))
    expect(left).toEqual([])
  })

  it.each(names)('%s fills the same places in both languages', (name) => {
    const places = (tree: Tree) => texts(tree).map((x) => (x.match(/\{\{[^}]*\}\}/g) ?? []).sort().join())
    expect(places(all['zh-CN']?.[name] ?? {})).toEqual(places(all.en?.[name] ?? {}))
  })
})
