// SPDX-License-Identifier: Apache-2.0
// Sign in -> worklist: STAT first, filters in the address, no "normal" without a result, API drawer.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import type { Page, Response } from 'playwright-core'
import { DOCTOR, SERVER, expected, leave, shot, signIn } from './browser.ts'
import type { Journey } from './run.ts'

type Json = Record<string, unknown>

/** Times that pass between two answers are no difference. */
function still(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(still)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value as Json).filter(([name]) => !['server_time', 'seconds_left'].includes(name))
  return Object.fromEntries(kept.map(([name, inner]) => [name, still(inner)]))
}

/** The drawer's command for the write that the page just made works too, with a key. */
async function writeByCurl(page: Page): Promise<void> {
  await page.getByRole('button', { name: '查看本页的 API 调用' }).click()
  await page.locator('.ant-drawer .ant-segmented-item', { hasText: 'curl' }).click()
  const call = page.locator('.ant-collapse-item', { hasText: '/v1/batches' }).filter({ hasText: 'POST' })
  await call.locator('.hv-call').first().click()
  const command = call.locator('.hv-code pre').filter({ hasText: 'curl' }).first()
  await command.waitFor()
  const text = await command.innerText()
  await shot(page, 'drawer-write-zh')
  const printed = execFileSync('bash', ['-c', text], { env: { ...process.env, HV_API_KEY: process.env.HV_E2E_KEY ?? '' } })
  const answer = JSON.parse(printed.toString()) as Json
  const sent = /"studies":\[([^\]]*)\]/.exec(text)?.[1]?.split(',').length
  assert.equal(answer.total, sent, printed.toString())
  await leave(page, '.ant-drawer-mask, [role=dialog]')
}

const journey: Journey = async (open) => {
  const made = await open('zh-CN')
  const { page } = made
  await page.goto(SERVER)
  await page.locator('#email').fill(DOCTOR.email)
  await page.locator('#password').fill('wrong password')
  await page.locator('button[type=submit]').click()
  await page.getByText('邮箱或密码错误').waitFor()
  expected(made, /401/)
  let answer: Response | undefined
  page.on('response', (r) => {
    if (r.url().includes('/v1/worklist?')) answer = r
  })
  await signIn(page, DOCTOR)
  const rows = page.locator('.ant-table-row')
  await rows.first().waitFor()
  await page.waitForTimeout(300)
  assert.equal(await rows.first().locator('.hv-priority-stat').count(), 1, 'STAT is on top')
  const cells = await page.locator('.hv-ai').allInnerTexts()
  for (const cell of cells) assert.doesNotMatch(cell, /正常/)
  await shot(page, 'worklist-zh')

  assert.ok(answer)
  const shown = still(await answer.json())
  await page.getByRole('button', { name: '查看本页的 API 调用' }).click()
  await page.locator('.hv-call', { hasText: '/v1/worklist?' }).first().click()
  const command = await page.locator('.hv-code pre').first().innerText()
  await shot(page, 'drawer-zh')
  const printed = execFileSync('bash', ['-c', command], { env: { ...process.env, HV_API_KEY: process.env.HV_E2E_KEY ?? '' } })
  assert.deepEqual(still(JSON.parse(printed.toString())), shown, 'curl gives the same JSON')
  await page.getByText('Python', { exact: true }).click()
  await page.locator('.hv-code pre', { hasText: 'httpx.request' }).first().waitFor()
  await leave(page, '.ant-drawer-mask')

  await page.getByRole('checkbox', { name: '全选' }).check()
  await page.getByRole('button', { name: /批量分析（\d+）/ }).click()
  await page.getByRole('button', { name: '提交' }).click()
  await page.getByText(/已提交 \d+ 个检查/).waitFor()
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  // what came of it shows without a reload: no application fits six slices
  await page.locator('.ant-table-row').first().locator('.hv-ai', { hasText: /等待|分析|判断/ }).waitFor()

  await writeByCurl(page)

  await page.getByRole('searchbox').first().fill('李')
  await page.keyboard.press('Enter')
  await page.waitForURL(/text=/)
  const one = () => document.querySelectorAll('.ant-table-row').length === 1
  await page.waitForFunction(one)
  await page.reload()
  await page.waitForFunction(one) // the filter survives a reload
  await page.getByRole('searchbox').first().fill('没有这样的检查')
  await page.keyboard.press('Enter')
  await page.getByText('没有符合筛选条件的检查').waitFor()
  await page.getByRole('button', { name: '清除筛选' }).first().click()
  await rows.nth(1).waitFor()
  await page.getByRole('button', { name: 'English' }).click()
  await page.getByRole('heading', { name: 'Worklist' }).waitFor()
  await shot(page, 'worklist-en')
}

export default journey
