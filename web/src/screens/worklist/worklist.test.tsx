// SPDX-License-Identifier: Apache-2.0
import { render, screen } from '@testing-library/react'
import { describe, expect, it } from 'vitest'
import type { AiSummary, WorklistItem, WorklistPage } from '../../api/generated'
import i18n from '../../i18n'
import { categoryParts, guidelineName, valueWords } from '../../components/category'
import { AiCell } from './ai'
import { imaging } from './columns'
import { changed, queryOf } from './filters'
import { withRow } from './live'

function ai(state: AiSummary['state']): AiSummary {
  return { state, finding: null, finding_count: 0, task_id: null, result_id: null, progress: 0.4, parts: [] }
}

describe('AiCell', () => {
  it.each(['none', 'pending', 'running', 'failed', 'abstained'] as const)('never says that %s is normal', async (state) => {
    for (const [language, words] of [
      ['zh-CN', /正常|未检出|阴性/],
      ['en', /normal|negative|no suspected/i],
    ] as const) {
      await i18n.changeLanguage(language)
      const { unmount } = render(<AiCell ai={ai(state)} unverified />)
      expect(document.body.textContent).not.toMatch(words)
      expect(document.body.textContent?.trim()).not.toBe('')
      unmount()
    }
    await i18n.changeLanguage('zh-CN')
  })

  it('says of a result without findings what was looked for, unverified', () => {
    render(<AiCell ai={ai('result')} unverified />)
    expect(screen.getByText('未检出疑似病灶')).toBeTruthy()
    expect(screen.getByText('未经医生确认')).toBeTruthy()
  })
})

describe('filters', () => {
  it('are what the address says, and nothing else', () => {
    expect(queryOf(new URLSearchParams('text=x&evil=1&tab=todo'))).toEqual({ text: 'x', tab: 'todo', limit: 50 })
  })

  it('start at the first page when one changes', () => {
    const next = changed(new URLSearchParams('text=x&cursor=abc'), { modality: 'CT', text: '' })
    expect(next.toString()).toBe('modality=CT')
  })
})

describe('withRow', () => {
  it('replaces the row it knows and leaves strangers out', () => {
    const row = (study_id: string, revision: number) => ({ study_id, revision }) as WorklistItem
    const page = { items: [row('a', 1), row('b', 1)], next: null, server_time: '' } as WorklistPage
    expect(withRow(page, row('b', 2)).items.map((i) => i.revision)).toEqual([1, 2])
    expect(withRow(page, row('c', 2))).toBe(page)
  })
})

describe('words', () => {
  it('name guidelines and imaging modalities', () => {
    expect(categoryParts('lung-rads-v2022:4A')).toEqual(['lung-rads-v2022', '4A'])
    expect(guidelineName('lung-rads-v2022', true)).toBe('Lung-RADS')
    expect(guidelineName('fleischner-2017')).toBe('Fleischner 2017')
    const words = { part: 'x', 'part-solid': '部分实性', single: '单发', '6plus': '≥6 mm' }
    expect(valueWords('part-solid-single-6plus', words)).toBe('部分实性 单发 ≥6 mm')
    expect(valueWords('part-solid-unheard', words)).toBe('part-solid-unheard')
    expect(valueWords('4A', words)).toBe('4A')
    expect(imaging(['CT', 'SEG', 'SR'])).toBe('CT')
    expect(imaging(['SR'])).toBe('SR')
  })
})
