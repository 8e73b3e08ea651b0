// SPDX-License-Identifier: Apache-2.0
// kill -9 of the server under way: the list, a running task, an open form; nothing is reloaded.
// HV_E2E_CONTROL: POST /kill, /start, /bring; HV_E2E_FILE: a zip with a chest.
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import { ADMIN, DOCTOR, expected, pick, shot, signIn } from './browser.ts'
import type { Journey } from './run.ts'

const CONTROL = process.env.HV_E2E_CONTROL ?? ''
const PASSING = /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED|ERR_ABORTED|503/

async function act(name: string): Promise<void> {
  const done = await fetch(`${CONTROL}/${name}`, { method: 'POST' })
  assert.equal(done.status, 204, name)
}

/** Marks a page, so that a reload of it would show. */
const mark = (page: Page) => page.evaluate(() => void Object.assign(window, { hvMark: true }))
const marked = (page: Page) => page.evaluate(() => 'hvMark' in window)

const journey: Journey = async (open) => {
  const list = await open('zh-CN')
  await signIn(list.page, DOCTOR)
  await list.page.locator('.ant-table-row').first().waitFor()
  const form = await open('zh-CN')
  await signIn(form.page, ADMIN, '/admin/users')
  await form.page.getByRole('button', { name: '邀请用户' }).click()
  await form.page.getByRole('dialog').getByLabel('姓名').fill('停机时输入')
  await form.page.getByRole('dialog').getByLabel('邮箱').fill('typed@hospital.example')
  const sent = await open('zh-CN')
  await signIn(sent.page, DOCTOR, '/analyze')
  const app = sent.page.getByLabel('AI 应用')
  await app.click()
  await pick(app, sent.page.locator('.ant-select-item-option', { hasText: '肺部CT分析' }))
  await sent.page.locator('input[type=file]').first().setInputFiles(process.env.HV_E2E_FILE ?? '')
  await sent.page.locator('.hv-job .hv-task').first().waitFor()
  const pages = [list.page, form.page, sent.page]
  for (const page of pages) await mark(page)

  await act('kill')
  await list.page.getByText('网络已断开').waitFor()
  await form.page.getByRole('button', { name: '创建邀请' }).click()
  await form.page.locator('.ant-message-error').first().waitFor()
  await shot(form.page, 'killed-form')
  await act('start')
  for (const page of pages) await page.getByText('网络已断开').waitFor({ state: 'detached' })

  await act('bring')
  await list.page.locator('.ant-table-row', { hasText: '钱晚' }).waitFor() // told by the stream
  await form.page.getByRole('button', { name: '创建邀请' }).click()
  assert.match(await form.page.locator('.hv-secret').innerText(), /^http/)
  await sent.page.locator('.hv-job .hv-result').first().waitFor({ timeout: 200_000 })
  await shot(sent.page, 'killed-result')
  for (const page of pages) assert.ok(await marked(page), 'no page was loaded again')
  for (const made of [list, form, sent]) expected(made, PASSING)
}

export default journey
