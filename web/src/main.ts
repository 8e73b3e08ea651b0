// SPDX-License-Identifier: Apache-2.0
// What runs first: light, so that the first picture is asked for at once.
import './app/base.css'
import { openEarly } from './app/early'
import { keptLanguage } from './i18n/kept'

document.documentElement.lang = keptLanguage()
void openEarly().then(() => import('./app/start'))
