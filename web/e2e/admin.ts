// SPDX-License-Identifier: Apache-2.0
// Administrator: a key is made, used and revoked; who opened a patient; verify; export; health.
import assert from 'node:assert/strict'
import { ADMIN, SERVER, shot, signIn, sure } from './browser.ts'
import type { Journey } from './run.ts'

const journey: Journey = async (open) => {
  const { page } = await open('zh-CN')
  await signIn(page, ADMIN, '/admin/keys')
  await page.getByRole('button', { name: '新建密钥' }).click()
  await page.getByLabel('名称').fill('e2e')
  await page.getByRole('button', { name: '创建' }).click()
  const key = await page.locator('.hv-secret').innerText()
  const me = await fetch(`${SERVER}/v1/me`, { headers: { Authorization: `Bearer ${key}` } })
  assert.equal(me.status, 200)
  await page.getByRole('button', { name: '我已保存' }).click()
  const row = page.locator('.ant-table-row', { hasText: 'e2e' })
  await sure(page, row.getByRole('button', { name: '吊销' }))
  await row.getByText('已吊销').waitFor()

  await page.getByRole('menuitem', { name: '审计' }).click()
  await page.getByRole('combobox', { name: '患者姓名或编号' }).click()
  await page.keyboard.type('P-li')
  await page.locator('.ant-select-item-option', { hasText: 'P-li' }).first().click()
  await page.waitForURL(/patient_id=/)
  await page.getByRole('heading', { name: '谁查看过' }).waitFor()
  await page.getByRole('button', { name: '验证完整性' }).click()
  await page.locator('.ant-tag', { hasText: '完整' }).waitFor()
  const href = await page.getByRole('link', { name: '导出 CSV' }).getAttribute('href')
  const csv = await page.request.get(`${SERVER}${href ?? ''}`)
  assert.match(await csv.text(), /action/)
  await shot(page, 'audit-zh')
  await page.getByRole('menuitem', { name: '运行状况' }).click()
  await page.getByText('正常', { exact: true }).first().waitFor()
  await shot(page, 'health-zh')
}

export default journey
