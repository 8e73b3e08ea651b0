// SPDX-License-Identifier: Apache-2.0
// What a reader likes goes along to another browser: keys, layout, windows, language; and back to defaults.
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import { DOCTOR, SERVER, leave, shot, signIn } from './browser.ts'
import type { Journey } from './run.ts'
import { ready, WAIT } from './viewer.ts'

const STUDY = process.env.HV_E2E_STUDY ?? ''

/** The server's word, by the page's own session. */
async function stored(page: Page): Promise<Record<string, unknown>> {
  return page.evaluate(async () => (await fetch('/v1/me/preferences')).json() as Promise<Record<string, unknown>>)
}

async function until(page: Page, what: string, good: (found: Record<string, unknown>) => boolean): Promise<void> {
  let found: Record<string, unknown> = {}
  for (const end = Date.now() + 60_000; Date.now() < end; await page.waitForTimeout(250)) {
    found = await stored(page)
    if (good(found)) return
  }
  assert.fail(`${what}: ${JSON.stringify(found)}`)
}

const keyOf = (page: Page, action: string) => page.locator(`[data-tool=${action}]`).getAttribute('title')

const journey: Journey = async (open) => {
  const { page } = await open('zh-CN')
  await signIn(page, DOCTOR)
  await page.goto(`${SERVER}/viewer/${STUDY}`)
  await ready(page, 'stack-0')
  await page.locator('[data-tool=help]').click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('button', { name: /长度/ }).click()
  await page.keyboard.press('m')
  await dialog.locator('select').selectOption('1x2')
  await dialog.getByRole('button', { name: '删除 血管窗' }).click() // eight at most
  await dialog.locator('[data-add-window]').click()
  await dialog.locator('[data-own-window]').last().locator('input').first().fill('我的窗')
  await page.keyboard.press('Tab')
  await until(page, 'kept by the server', (p) => JSON.stringify(p).includes('我的窗') && (p.keys as { length?: string }).length === 'm')
  await shot(page, 'likings')
  await leave(page, '[role=dialog]')
  await page.getByRole('button', { name: 'English' }).click()
  await until(page, 'the language too', (p) => p.language === 'en')

  const { page: other } = await open('zh-CN')
  await other.addInitScript(() => { localStorage.removeItem('hv-language-due') }) // nothing chosen in that browser
  await signIn(other, DOCTOR)
  await other.getByRole('button', { name: '中文' }).waitFor() // the page speaks English now
  await other.goto(`${SERVER}/viewer/${STUDY}`)
  await ready(other, 'stack-0')
  await other.locator('[data-tile="stack-1"]').waitFor(WAIT)
  assert.match((await keyOf(other, 'length')) ?? '', /\(m\)/, 'the own key')
  assert.ok((await other.locator('[data-presets]').textContent())?.includes('我的窗'), 'the own window')
  await other.locator('[data-tool=help]').click()
  await other.locator('[data-reset-all]').click()
  await until(other, 'defaults again', (p) => JSON.stringify([p.keys, p.layouts, p.windows]) === '[{},{},{}]' && p.language === 'en')
  assert.match((await keyOf(other, 'length')) ?? '', /\(l\)/)
}

export default journey
