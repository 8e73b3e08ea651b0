// SPDX-License-Identifier: Apache-2.0
// What runs first: light, so that the first picture is asked for at once.
import './app/base.css'
import { openEarly } from './app/early'
import { lost } from './app/lost'
import { keptLanguage } from './i18n/kept'

document.documentElement.lang = keptLanguage()
void openEarly()
  .catch(() => undefined) // the interface asks for all of it again
  .then(() => import('./app/start'))
  .catch((error: unknown) => {
    lost()
    throw error // so that the browser notes why
  })
