// SPDX-License-Identifier: Apache-2.0
// What a page says: words of the other language left in it, and what axe finds serious.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
// names of things, units, standards; what is data or a command is marked by its element
const KEPT =
  /\b(?:HealthVision|(?:C-)?Lung-RADS|Fleischner|BTS|AI|API|English|Webhook|CSV|URL|ID|CSRF|CORS|Cookie|X-CSRF-Token|HV_[A-Z_]+|JSON|Esc|Enter|Ctrl|Shift|Alt|curl|Python|DICOM|ZIP|NIfTI|JPEG|PNG|TIFF|CT|MR|MPR|MIP|PDF|FHIR|GB|MB|KB|mm|Dice|MRI|FLAIR|T1|T2|Evans|LAA|Brier|SHA-256|LAA-950|E[0-3]|[A-Z]{2}|F\d+|GET|POST|PUT|PATCH|DELETE|Delete|PageUp|PageDown|Home|End|Arrow(?:Up|Down|Left|Right)|Demo Administrator|Demo Radiologist|https|[0-9a-f]{16,}|n|cm|s|min|B|h|ms)\b/g
const DATA = 'code, pre, kbd, .hv-who, .hv-name, .hv-open, .hv-num, .hv-data, .hv-secret, .anticon, time, [role=listbox], script, style, title'
// in a table cell only what the interface itself says is looked at: the rest are rows of data
const SAID = 'button, .ant-tag, .ant-switch, [class*=hv-task-], [class*=hv-verdict-], .hv-ai, .hv-unverified'

async function said(page: Page, other: string): Promise<string[]> {
  const texts = await page.evaluate(
    ([data, own, skipped]) => {
      const found: string[] = []
      const isData = (element: Element) => {
        if (element.closest(data) || element.closest(skipped)) return true
        const cell = element.closest('td')
        return cell !== null && !(element.closest(own) && cell.contains(element.closest(own)))
      }
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const parent = node.parentElement
        if (parent && !isData(parent) && parent.checkVisibility()) found.push(node.textContent ?? '')
      }
      for (const element of document.querySelectorAll('[placeholder], [aria-label], [title]')) {
        if (isData(element)) continue
        for (const name of ['placeholder', 'aria-label', 'title']) found.push(element.getAttribute(name) ?? '')
      }
      return [...new Set(found.map((t) => t.trim()))]
    },
    [DATA, SAID, other] as const,
  )
  return texts
}

/** Texts of a Chinese page that hold English words; ``data``: more elements whose text is data. */
export async function englishLeft(page: Page, data = '.hv-none'): Promise<string[]> {
  const texts = await said(page, `[lang=en], .ant-select-selection-item, ${data}`)
  return texts.filter((t) => /[A-Za-z]{2,}/.test(t.replace(KEPT, '')))
}

/** Texts of an English page that hold Chinese characters. */
export async function chineseLeft(page: Page, data = '.hv-none'): Promise<string[]> {
  const texts = await said(page, `[lang=zh-CN], ${data}`)
  return texts.filter((t) => /[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]/.test(t))
}

interface Finding {
  id: string
  impact: string | null
  nodes: { html: string }[]
}

/** What axe finds serious or critical on the page. */
export async function serious(page: Page): Promise<string[]> {
  await page.evaluate(AXE)
  const found = await page.evaluate(async () => {
    const run = (window as unknown as { axe: { run: () => Promise<{ violations: Finding[] }> } }).axe.run
    return (await run()).violations
  })
  // antd names the buttons over a calendar "choose a year" while they show "2026": its own, with no setting for it
  const ofCalendar = (f: Finding) => f.id === 'label-content-name-mismatch' && f.nodes.every((n) => /ant-picker-(year|month)-btn/.test(n.html))
  const bad = found.filter((f) => (f.impact === 'serious' || f.impact === 'critical') && !ofCalendar(f))
  return bad.map((f) => `${f.id} (${f.nodes.length}): ${f.nodes.map((n) => n.html.slice(0, 160)).slice(0, 4).join(' | ')}`)
}

/** Wait until nothing moves that will come to an end: popups are where they stay. */
export async function still(page: Page): Promise<void> {
  await page.waitForFunction(() =>
    document.getAnimations().every((a) => a.playState !== 'running' || a.effect?.getComputedTiming().iterations === Infinity),
  )
}
