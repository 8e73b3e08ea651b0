// SPDX-License-Identifier: Apache-2.0
// The session ends while a report is typed: the form stays, the text stays, and it is saved after
// the new sign-in. HV_E2E_STUDY: id of a study with a result.
import assert from 'node:assert/strict'
import { DOCTOR, SERVER, expected, shot, signIn } from './browser.ts'
import type { Journey } from './run.ts'

const TYPED = '会话结束后输入的诊断意见。'

const journey: Journey = async (open) => {
  const made = await open('zh-CN')
  const { page } = made
  await signIn(page, DOCTOR, `/reading/${process.env.HV_E2E_STUDY ?? ''}`)
  await page.getByRole('button', { name: '开始写报告' }).click()
  const text = page.locator('.hv-section').filter({ hasText: '诊断结果' }).locator('textarea').first()
  await text.fill('第一句。')
  await page.locator('.hv-draft-state', { hasText: '已保存' }).waitFor()
  await page.context().clearCookies()
  await text.fill(TYPED)
  const again = page.getByRole('dialog', { name: '登录已失效' })
  await again.waitFor()
  await shot(page, 'expired-report')
  await again.getByLabel('密码').fill('wrong password')
  await again.locator('button[type=submit]').click()
  await again.getByText('邮箱或密码错误').waitFor()
  const saved = page.waitForResponse((r) => r.url().includes('/draft') && r.request().method() !== 'GET' && r.ok())
  await again.getByLabel('密码').fill(DOCTOR.password)
  await again.locator('button[type=submit]').click()
  await again.waitFor({ state: 'detached' })
  await saved
  await page.locator('.hv-draft-state', { hasText: '已保存' }).waitFor()
  assert.equal(await text.inputValue(), TYPED)
  const other = await open('zh-CN') // from another browser: the server has it
  await signIn(other.page, DOCTOR, new URL(page.url()).pathname)
  const there = other.page.locator('.hv-section').filter({ hasText: '诊断结果' }).locator('textarea').first()
  await there.waitFor()
  assert.equal(await there.inputValue(), TYPED)
  expected(made, /401/)
  assert.ok(page.url().startsWith(SERVER))
}

export default journey
