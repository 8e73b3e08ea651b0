// SPDX-License-Identifier: Apache-2.0
// Every screen in both languages: axe without serious or critical findings, no English in zh-CN,
// nothing from outside, a clean console, and the size of the list page.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { ADMIN, SERVER, shot, signIn } from './browser.ts'
import type { Journey } from './run.ts'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const PATHS = ['/', '/analyze', '/models', ...['users', 'roles', 'keys', 'webhooks', 'jobs', 'quarantine', 'audit', 'health'].map((p) => `/admin/${p}`)]
const LIST_BYTES = 700 * 1024
// names of things, units, standards; what is data or a command is marked by its element
const KEPT = /\b(?:HealthVision|AI|API|English|Webhook|CSV|URL|ID|curl|Python|DICOM|ZIP|NIfTI|JPEG|PNG|TIFF|CT|MR|DX|CR|GB|MB|KB|mm|Dice|MRI|FLAIR|T1|T2|Evans|LAA|Brier|SHA-256|LAA-950|E[0-3]|n|cm|s|min|B|h|ms)\b/g
const SKIPPED = 'code, pre, [lang=en], .hv-who, .hv-name, .hv-open, .hv-num, .ant-select-selection-item, .anticon, time'

async function english(page: Page): Promise<string[]> {
  const texts = await page.evaluate((skipped) => {
    const found: string[] = []
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const parent = node.parentElement
      if (!parent || parent.closest(`${skipped}, script, style, .hv-data, td`)) continue
      found.push(node.textContent ?? '')
    }
    for (const element of document.querySelectorAll('[placeholder], [aria-label], [title]')) {
      if (element.closest(skipped)) continue
      for (const name of ['placeholder', 'aria-label', 'title']) found.push(element.getAttribute(name) ?? '')
    }
    return found
  }, SKIPPED)
  return [...new Set(texts.map((t) => t.trim()))].filter((t) => /[A-Za-z]{2,}/.test(t.replace(KEPT, '')))
}

interface Finding {
  id: string
  impact: string | null
  nodes: { html: string }[]
}

async function serious(page: Page): Promise<string[]> {
  await page.evaluate(AXE)
  const found = await page.evaluate(async () => {
    const run = (window as unknown as { axe: { run: () => Promise<{ violations: Finding[] }> } }).axe.run
    return (await run()).violations
  })
  const bad = found.filter((f) => f.impact === 'serious' || f.impact === 'critical')
  return bad.map((f) => `${f.id} (${f.nodes.length}): ${f.nodes.map((n) => n.html.slice(0, 140)).slice(0, 4).join(' | ')}`)
}

async function quiet(page: Page): Promise<void> {
  await page.locator('main h1, main h2, .hv-page').first().waitFor()
  await page.waitForTimeout(700)
}

const journey: Journey = async (open) => {
  const troubles: string[] = []
  for (const language of ['zh-CN', 'en'] as const) {
    const { page } = await open(language)
    await page.goto(SERVER)
    await page.locator('#email').waitFor()
    troubles.push(...(await serious(page)).map((t) => `login ${language}: ${t}`))
    let size = 0
    page.on('response', (response) => {
      if (response.url().includes('/assets/')) size += Number(response.headers()['content-length'] ?? 0)
    })
    await signIn(page, ADMIN)
    await quiet(page)
    if (language === 'zh-CN') {
      console.log(`list page: ${Math.round(size / 1024)} KB over the wire`)
      assert.ok(size > 0 && size <= LIST_BYTES, `list page: ${size} bytes`)
    }
    for (const path of PATHS) {
      if (path !== '/') await page.goto(SERVER + path)
      await quiet(page)
      await shot(page, `look-${language}${path.replaceAll('/', '-')}`)
      troubles.push(...(await serious(page)).map((t) => `${path} ${language}: ${t}`))
      if (language === 'zh-CN') troubles.push(...(await english(page)).map((t) => `${path}: English left: ${t}`))
    }
  }
  assert.deepEqual(troubles, [])
}

export default journey
