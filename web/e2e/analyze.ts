// SPDX-License-Identifier: Apache-2.0
// Upload -> steps -> result card -> downloads. HV_E2E_FILE: a zip; HV_E2E_FINDS=1: with findings.
import assert from 'node:assert/strict'
import { DOCTOR, pick, SERVER, shot, signIn } from './browser.ts'
import type { Journey } from './run.ts'

const journey: Journey = async (open) => {
  const { page } = await open('zh-CN')
  await signIn(page, DOCTOR, '/analyze')
  const app = page.getByLabel('AI 应用')
  await app.click()
  await pick(app, page.locator('.ant-select-item-option', { hasText: '肺部CT分析' }))
  // the bytes do not get through: cancel, then go on where it stopped
  await page.route('**/v1/blobs/**', () => undefined)
  await page.locator('input[type=file]').first().setInputFiles(process.env.HV_E2E_FILE ?? '')
  await page.locator('.hv-job').first().getByRole('button', { name: '取消' }).click()
  await page.locator('.hv-job[data-phase=cancelled]').waitFor()
  await page.unroute('**/v1/blobs/**')
  await page.locator('.hv-job').first().getByRole('button', { name: '继续' }).click()
  const job = page.locator('.hv-job').first()
  await job.locator('.hv-task, .hv-result').first().waitFor({ timeout: 60_000 })
  await shot(page, 'analyze-running')
  const card = job.locator('.hv-result').first()
  await card.waitFor({ timeout: 240_000 })
  await card.getByText('AI 结果，未经医生确认').waitFor()
  if (process.env.HV_E2E_FINDS === '1') assert.ok((await card.locator('.hv-finding').count()) > 0)
  await shot(page, 'analyze-result')
  await card.getByRole('button', { name: '下载' }).click()
  const link = await page.getByRole('link', { name: 'PDF 报告' }).getAttribute('href')
  const pdf = await page.request.get(`${SERVER}${link ?? ''}`)
  assert.equal(pdf.status(), 200)
  assert.equal((await pdf.body()).subarray(0, 5).toString(), '%PDF-')
  await page.keyboard.press('Escape')

  // a file that is no image says so and is not stored
  await page.locator('input[type=file]').first().setInputFiles({ name: 'letter.png', mimeType: 'image/png', buffer: Buffer.from('no picture') })
  await page.locator('.hv-job').first().locator('.hv-task-failed').waitFor({ timeout: 30_000 })

  // the studies stay when one looks elsewhere and comes back
  await page.getByRole('menuitem', { name: '影像列表' }).click()
  await page.locator('.ant-table-row').first().waitFor()
  await page.getByRole('menuitem', { name: '分析' }).click()
  await page.locator('.hv-job').nth(1).waitFor()
}

export default journey
