// SPDX-License-Identifier: Apache-2.0
// Every screen in both languages: axe without serious or critical findings, no word of the other language,
// nothing from outside, a clean console, and the size of the list page.
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import { ADMIN, SERVER, shot, signIn } from './browser.ts'
import type { Journey } from './run.ts'
import { chineseLeft, englishLeft, serious } from './words.ts'

const PATHS = ['/', '/analyze', '/models', ...['users', 'roles', 'keys', 'webhooks', 'jobs', 'deadlines', 'quarantine', 'notes', 'audit', 'health'].map((p) => `/admin/${p}`)]
const LIST_BYTES = 700 * 1024
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
      const left = language === 'zh-CN' ? await englishLeft(page) : await chineseLeft(page)
      troubles.push(...left.map((t) => `${path} ${language}: of the other language: ${t}`))
    }
  }
  assert.deepEqual(troubles, [])
}

export default journey
