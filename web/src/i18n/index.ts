// SPDX-License-Identifier: Apache-2.0
// Texts: one JSON per screen and language; zh-CN is the default. A test keeps both key sets equal.
import i18next from 'i18next'
import { initReactI18next } from 'react-i18next'
import { KEPT, keptLanguage, type Language } from './kept'

export type { Language }
type Texts = Record<string, unknown>

const files = import.meta.glob<Texts>('./*/*.json', { eager: true, import: 'default' })

/** All texts by language and namespace (the file's name). */
export function resources(): Record<string, Record<string, Texts>> {
  const found: Record<string, Record<string, Texts>> = {}
  for (const [path, texts] of Object.entries(files)) {
    const [, language = '', name = ''] = /^\.\/([^/]+)\/([^/]+)\.json$/.exec(path) ?? []
    found[language] = { ...found[language], [name]: texts }
  }
  return found
}

void i18next.use(initReactI18next).init({
  resources: resources() as never,
  lng: keptLanguage(),
  fallbackLng: false,
  defaultNS: 'common',
  interpolation: { escapeValue: false }, // React escapes
  returnNull: false,
  initAsync: false,
})
document.documentElement.lang = keptLanguage()

/** The language of a pair of texts from the server. */
export function isChinese(): boolean {
  return i18next.language !== 'en'
}

/** Change the language and keep the choice. */
export async function setLanguage(language: Language): Promise<void> {
  localStorage.setItem(KEPT, language)
  document.documentElement.lang = language
  await i18next.changeLanguage(language)
}

export default i18next
