// SPDX-License-Identifier: Apache-2.0

export type Language = 'zh-CN' | 'en'

export const KEPT = 'hv-language'

/** The language chosen in this browser. */
export function keptLanguage(): Language {
  return localStorage.getItem(KEPT) === 'en' ? 'en' : 'zh-CN'
}
