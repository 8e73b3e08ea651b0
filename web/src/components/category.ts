// SPDX-License-Identifier: Apache-2.0
// Guideline categories in words: 'solid-single-6to8-low' is put together from the words of its parts.
import { useCallback } from 'react'
import { useTranslation } from 'react-i18next'

const GUIDELINES: Record<string, string> = {
  'lung-rads-v2022': 'Lung-RADS v2022',
  'fleischner-2017': 'Fleischner 2017',
  'bts-2015': 'BTS 2015',
  'c-lung-rads': 'C-Lung-RADS',
}

/** The name of a guideline; without its edition where there is little room. */
export function guidelineName(guideline: string, short = false): string {
  const name = GUIDELINES[guideline] ?? guideline
  return short ? name.replace(/ v?\d{4}$/, '') : name
}

/** A value in the words of its parts; one that is not made of known parts ('4A') stays as it is. */
export function valueWords(value: string, words: Record<string, string>): string {
  const parts = Object.keys(words).sort((a, b) => b.length - a.length)
  const found: string[] = []
  for (let rest = value; rest; ) {
    const part = parts.find((p) => rest === p || rest.startsWith(`${p}-`))
    if (part === undefined) return value
    found.push(words[part] ?? '')
    rest = rest.slice(part.length + 1)
  }
  return found.join(' ')
}

/** Return what says a category: its guideline and its value in words, '' when there is none. */
export function useCategory(): (guideline: string, value: string, short?: boolean) => string {
  const { t } = useTranslation('common')
  return useCallback(
    (guideline: string, value: string, short = false) =>
      value && `${guidelineName(guideline, short)} ${valueWords(value, t('category', { returnObjects: true }) as Record<string, string>)}`,
    [t],
  )
}

/** Split 'lung-rads-v2022:4A', as lists carry it. */
export function categoryParts(category: string): [guideline: string, value: string] {
  const [guideline = '', value = ''] = category.split(':')
  return [guideline, value]
}
