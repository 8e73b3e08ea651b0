// SPDX-License-Identifier: Apache-2.0
// What the page says when the interface itself did not arrive, or failed at once: without any part of it.
import en from '../i18n/en/broken.json'
import zh from '../i18n/zh-CN/broken.json'
import { keptLanguage } from '../i18n/kept'
import { dropFirst } from '../viewer/first/state'
import { handOver } from './early'

function part<K extends 'h1' | 'p' | 'button'>(kind: K, text: string): HTMLElementTagNameMap[K] {
  const made = document.createElement(kind)
  made.textContent = text
  return made
}

/** In place of everything on the page: that it failed, and a button to load it anew. */
export function lost(): void {
  dropFirst()
  handOver()
  const texts = keptLanguage() === 'en' ? en : zh
  const again = part('button', texts.reload)
  again.type = 'button'
  again.onclick = () => { window.location.reload() }
  const page = document.createElement('main')
  page.className = 'hv-page hv-lost'
  page.setAttribute('role', 'alert')
  page.append(part('h1', texts.title), part('p', texts.what), again)
  document.getElementById('root')?.replaceChildren(page)
}
