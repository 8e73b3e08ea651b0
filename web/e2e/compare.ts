// SPDX-License-Identifier: Apache-2.0
// Two studies of a patient side by side, scrolling together by their place in the patient; and axe on
// the viewer, its dialogs, the reading screen and the patient screen in both languages.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { DOCTOR, SERVER, shot, signIn } from './browser.ts'
import type { Journey } from './run.ts'
import { ready, tile, WAIT } from './viewer.ts'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const [NEWER = '', OLDER = ''] = (process.env.HV_E2E_STUDIES ?? '').split(',')

interface Finding {
  id: string
  impact: string | null
  nodes: { html: string }[]
}

async function serious(page: Page, where: string): Promise<string[]> {
  await page.evaluate(AXE)
  const found = await page.evaluate(async () => {
    const run = (window as unknown as { axe: { run: () => Promise<{ violations: Finding[] }> } }).axe.run
    return (await run()).violations
  })
  const bad = found.filter((f) => f.impact === 'serious' || f.impact === 'critical')
  return bad.map((f) => `${where}: ${f.id} (${f.nodes.length}): ${f.nodes.map((n) => n.html.slice(0, 160)).slice(0, 3).join(' | ')}`)
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
      troubles.push(...(await serious(page, `viewer ${tab} ${language}`)))
    }
    await page.locator('[data-tool=help]').click()
    await page.getByRole('dialog').waitFor()
    troubles.push(...(await serious(page, `keys ${language}`)))
    await shot(page, `compare-keys-${language}`)
    await page.goto(`${SERVER}/reading/${NEWER}`)
    await page.locator('main h1, main h2, [role=tab]').first().waitFor()
    await page.waitForLoadState('networkidle')
    troubles.push(...(await serious(page, `reading ${language}`)))
    await shot(page, `compare-reading-${language}`)
    await page.goto(`${SERVER}/patients/${patient}`)
    await page.locator('[data-compare]').waitFor()
    troubles.push(...(await serious(page, `patient ${language}`)))
  }
  assert.deepEqual(troubles, [])
}

export default journey
