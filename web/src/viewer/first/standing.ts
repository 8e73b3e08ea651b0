// SPDX-License-Identifier: Apache-2.0
// The first picture on the page before the interface has started: the same frame as ./frame.tsx makes, without it.
import en from '../../i18n/en/viewer.json'
import zh from '../../i18n/zh-CN/viewer.json'
import { TOOL_GROUPS } from './groups'
import type { FirstPicture } from './state'
import './frame.css'

const ID = 'hv-standing'

function part(kind: 'div' | 'span' | 'section', name: string, ...inside: Node[]): HTMLElement {
  const made = document.createElement(kind)
  made.className = name
  made.append(...inside)
  return made
}

function tools(): HTMLElement {
  const groups = TOOL_GROUPS.map((group) => part('span', 'hv-tool-group', ...group.map(() => part('span', 'hv-tool'))))
  return part('div', 'hv-tools', ...groups, part('span', 'hv-select'), part('span', 'hv-grow'), part('span', 'hv-tool'))
}

function tile({ element, aspect, sopUid }: FirstPicture): HTMLElement {
  const word = part('span', 'hv-first-word', new Text((document.documentElement.lang === 'en' ? en : zh).tile.loading))
  word.setAttribute('role', 'status')
  const first = part('div', 'hv-first', part('div', 'hv-first-fit', element), word)
  first.dataset.first = sopUid
  first.style.setProperty('--hv-aspect', String(aspect))
  return part('section', 'hv-tile', first)
}

/** Show a picture over the page, at the place where the viewer will show it. */
export function standFirst(picture: FirstPicture): void {
  const middle = part('div', 'hv-middle', tools(), part('div', 'hv-grid hv-grid-1x1', tile(picture)))
  const viewer = part('div', 'hv-viewer', part('div', 'hv-strip'), middle, part('div', 'hv-aside'))
  const frame = part('div', 'hv-standing', part('div', 'hv-standing-bar'), viewer)
  frame.id = ID
  endStanding()
  document.body.append(frame)
}

/** The interface shows what there is to see itself. */
export function endStanding(): void {
  document.getElementById(ID)?.remove()
}
