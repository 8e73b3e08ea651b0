// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it } from 'vitest'
import type { Finding, ResultRead, VerdictRead } from '../../api/generated'
import { actionOf } from './panel/keys'
import { placesOf, verdictsOn } from './panel/model'
import { changesOf } from './panel/modify'
import { merged } from './report/editor'
import { beginning, forget, keep, kept, same } from './report/kept'

const finding = {
  tracking_uid: '1.2.3',
  label: { zh: '疑似肺结节', en: 'Suspected lung nodule' },
  location: { region: { zh: '右肺上叶', en: 'right upper lobe' }, laterality: 'right' },
  measurements: [
    { code: { value: 'd' }, label: { zh: '直径', en: 'Diameter' }, value: 8.41234, unit: 'mm' },
    { code: { value: 'd' }, label: { zh: '长径', en: 'Long axis' }, value: 9, unit: 'mm' },
  ],
  categories: [{ guideline: 'lung-rads-v2022', value: '4A' }],
} as unknown as Finding
const words = { label: '疑似肺结节', region: '右肺上叶' }

const verdict = (uid: string, reader: string, mine = false) => ({ tracking_uid: uid, reader, mine }) as VerdictRead

describe('verdicts', () => {
  it('count on a finding before those on the whole result of the same reader', () => {
    const active = [verdict('', 'a'), verdict('1.2.3', 'b', true), verdict('', 'b', true)]
    expect(verdictsOn(active, '1.2.3').map((v) => `${v.reader}${v.tracking_uid}`)).toEqual(['b1.2.3', 'a'])
    expect(verdictsOn(active, '').map((v) => v.reader)).toEqual(['a', 'b'])
  })

  it('stand beside each finding, and a result without findings has a place of its own', () => {
    const read = (id: string, findings: Finding[]) => ({ item: { id }, result: { findings } }) as unknown as ResultRead
    const places = placesOf([read('r1', [finding]), read('r2', [])], new Map([['r1', [verdict('1.2.3', 'me', true)]]]))
    expect(places.map((p) => [p.key, p.mine?.reader])).toEqual([
      ['r1:1.2.3', 'me'],
      ['r2:', undefined],
    ])
  })
})

describe('a modification', () => {
  it('holds only what differs', () => {
    const untouched = { ...words, laterality: 'right' as const, numbers: { '0': 8.412, '1': 9 }, categories: { '0': '4A' } }
    expect(changesOf(finding, untouched, words)).toBeUndefined()
    expect(changesOf(finding, { ...untouched, region: ' 右肺尖 ', numbers: { '0': 8.412, '1': 11 }, categories: { '0': '4B' } }, words)).toEqual({
      region: '右肺尖',
      measurements: [{ code: 'd', label: 'Long axis', value: 11 }],
      categories: [{ guideline: 'lung-rads-v2022', value: '4B' }],
    })
    expect(changesOf(undefined, { description: '漏检一处' }, { label: '', region: '' })).toEqual({ description: '漏检一处' })
  })
})

describe('keys', () => {
  const press = (key: string, target: EventTarget = document.body, more: KeyboardEventInit = {}) => {
    const event = new KeyboardEvent('keydown', { key, ...more })
    Object.defineProperty(event, 'target', { value: target })
    return actionOf(event)
  }
  it('judge and move, but not while somebody types or holds another key', () => {
    expect(['a', 'D', 'm', 'u', '.', ','].map((key) => press(key))).toEqual(['accept', 'reject', 'modify', 'undo', 'next', 'previous'])
    expect(press('a', document.createElement('textarea'))).toBeUndefined()
    expect(press('a', document.body, { ctrlKey: true })).toBeUndefined()
    expect(press('a', document.body, { repeat: true })).toBeUndefined()
    expect(press('q')).toBeUndefined()
  })
})

describe('what was typed', () => {
  beforeEach(() => {
    localStorage.clear()
  })
  const server = { revision: 3, content: { impression: 'old' } }

  it('is kept per person and report until it is saved', () => {
    keep('me', 'r', { revision: 3, content: { impression: 'new' } })
    expect(kept('other', 'r')).toBeUndefined()
    expect(beginning(server, kept('me', 'r'))).toEqual({ kind: 'restored', content: { impression: 'new' } })
    forget('me', 'r')
    expect(beginning(server, kept('me', 'r')).kind).toBe('server')
  })

  it('is a conflict when somebody else wrote meanwhile, unless both say the same', () => {
    keep('me', 'r', { revision: 2, content: { impression: 'new' } })
    expect(beginning(server, kept('me', 'r')).kind).toBe('conflict')
    keep('me', 'r', { revision: 2, content: { impression: 'old' } })
    expect(beginning(server, kept('me', 'r')).kind).toBe('server')
  })

  it('survives nonsense in the store, and absent parts equal empty ones', () => {
    localStorage.setItem('hv-draft:me:r', '{"revision":"x"}')
    expect(kept('me', 'r')).toBeUndefined()
    localStorage.setItem('hv-draft:me:r', 'no json')
    expect(kept('me', 'r')).toBeUndefined()
    expect(same({ polarity: null }, {})).toBe(true)
  })
})

describe('filling in', () => {
  it('adds new findings behind what was typed, once', () => {
    const filled = { findings: '右肺上叶：结节。', impression: '1. A\n2. B', polarity: 'positive' as const, items: [{ result_id: 'r', tracking_uid: '1' }] }
    const once = merged({ findings: '双肺清晰。', impression: 'A' }, filled)
    expect(once).toMatchObject({ findings: '双肺清晰。\n右肺上叶：结节。', impression: 'A\n2. B', polarity: 'positive' })
    expect(merged({ ...once, polarity: 'negative' }, filled)).toMatchObject({ findings: once.findings, polarity: 'negative', items: filled.items })
  })
})
