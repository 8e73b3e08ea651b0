// SPDX-License-Identifier: Apache-2.0
// The person's preferences while signed in, and the language that goes with them.
import { useEffect } from 'react'
import { changePreferences, closePreferences, openPreferences, usePreferences } from '../api/preferences'
import i18next, { setLanguage, type Language } from '../i18n'

const DUE = 'hv-language-due' // chosen while nobody was signed in

const short = (language: Language) => (language === 'en' ? ('en' as const) : ('zh' as const))

/** Change the language of the page and of the person. */
export function chooseLanguage(language: Language): void {
  void setLanguage(language)
  if (usePreferences.getState().owner) changePreferences({ language: short(language) })
  else localStorage.setItem(DUE, language)
}

function dueLanguage(): Language | undefined {
  const due = localStorage.getItem(DUE)
  localStorage.removeItem(DUE)
  return due === 'en' || due === 'zh-CN' ? due : undefined
}

/** Follow the preferences of a person; undefined: nobody is signed in. */
export function useLikings(owner: string | undefined): void {
  useEffect(() => {
    if (!owner) {
      closePreferences()
      return
    }
    const due = dueLanguage()
    void openPreferences(owner, due && { language: short(due) })
    const speak = () => {
      const { language } = usePreferences.getState().known
      const wanted = language === 'en' ? 'en' : 'zh-CN'
      if (language && wanted !== i18next.language) void setLanguage(wanted)
    }
    return usePreferences.subscribe(speak)
  }, [owner])
}
