// SPDX-License-Identifier: Apache-2.0
// Two studies of a patient side by side, scrolling together by their place in the patient; and axe on
// the viewer, its dialogs, the reading screen and the patient screen in both languages.
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import { DOCTOR, SERVER, shot, signIn } from './browser.ts'
import type { Journey } from './run.ts'
import { ready, tile, WAIT } from './viewer.ts'
import { serious } from './words.ts'

const [NEWER = '', OLDER = ''] = (process.env.HV_E2E_STUDIES ?? '').split(',')

async function found(page: Page, where: string): Promise<string[]> {
  return (await serious(page)).map((text) => `${where}: ${text}`)
}

async function compared(page: Page, patient: string): Promise<void> {
  await page.goto(`${SERVER}/patients/${patient}`)
  await page.locator('[data-compare][disabled]').waitFor()
  for (const study of [OLDER, NEWER]) await page.locator(`[data-choose="${study}"]`).click()
  await shot(page, 'compare-patient')
  await page.locator('[data-compare]').click()
  await page.waitForURL(`**/viewer/${NEWER}?prior=${OLDER}`)
  await ready(page, 'stack-0')
  await ready(page, 'stack-1')
  await page.locator('[data-tile="stack-1"].hv-tile-prior').waitFor(WAIT)
  await page.locator('[data-tool=link][aria-pressed=true]').waitFor(WAIT)
}

/** The left study has images every 2 mm, the right one every 4 mm. */
async function linked(page: Page): Promise<void> {
  await tile(page, 'stack-0').click({ position: { x: 200, y: 200 } })
  const at = (id: string, index: number) => page.locator(`[data-tile="${id}"][data-slice="${index}"]`).waitFor(WAIT)
  for (let i = 1; i <= 4; i += 1) {
    await page.keyboard.press('ArrowDown')
    await at('stack-0', i)
  }
  await at('stack-1', 2)
  await shot(page, 'compare-linked')
}

const journey: Journey = async (open) => {
  const troubles: string[] = []
  for (const language of ['zh-CN', 'en'] as const) {
    const { page } = await open(language)
    await signIn(page, DOCTOR)
    const patient = process.env.HV_E2E_PATIENT ?? ''
    await compared(page, patient)
    if (language === 'zh-CN') await linked(page)
    for (const tab of ['panel', 'overlays', 'measured', 'priors']) {
      await page.locator(`[data-tab=${tab}]`).click()
      troubles.push(...(await found(page, `viewer ${tab} ${language}`)))
    }
    await page.locator('[data-tool=help]').click()
    await page.getByRole('dialog').waitFor()
    troubles.push(...(await found(page, `keys ${language}`)))
    await shot(page, `compare-keys-${language}`)
    await page.goto(`${SERVER}/reading/${NEWER}`)
    await page.locator('main h1, main h2, [role=tab]').first().waitFor()
    await page.waitForLoadState('networkidle')
    troubles.push(...(await found(page, `reading ${language}`)))
    await shot(page, `compare-reading-${language}`)
    await page.goto(`${SERVER}/patients/${patient}`)
    await page.locator('[data-compare]').waitFor()
    troubles.push(...(await found(page, `patient ${language}`)))
  }
  assert.deepEqual(troubles, [])
}

export default journey
