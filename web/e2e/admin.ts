// SPDX-License-Identifier: Apache-2.0
// Administrator: a key is made, used and revoked; who opened a patient; verify; export; health.
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import { ADMIN, pick, SERVER, shot, signIn, sure } from './browser.ts'
import type { Journey } from './run.ts'
import { serious } from './words.ts'

const ROWS = '.ant-table-tbody > tr.ant-table-row'

/** Acts are said in words, their codes are tooltips; one is looked for by a part of its words. */
async function words(page: Page): Promise<void> {
  await page.goto(`${SERVER}/admin/audit`)
  const act = page.getByRole('combobox', { name: '操作', exact: true })
  await act.click()
  await page.keyboard.type('导出审')
  await pick(act, page.locator('.ant-select-item-option', { hasText: 'audit.log_exported' }))
  await page.waitForURL(/action=audit\.log_exported/)
  await page.locator(`${ROWS} [title="audit.log_exported"]`, { hasText: '导出审计' }).first().waitFor()
  await page.locator('.hv-act-choice', { hasText: '导出审计' }).waitFor()
  await page.waitForFunction((rows) => [...document.querySelectorAll(rows)].every((r) => r.querySelector('[title="audit.log_exported"]')), ROWS)
  const admin = page.locator(ROWS).first().locator('td').nth(2)
  assert.doesNotMatch(await admin.innerText(), /[0-9a-f]{8}-/, 'a name, not an id')
  await page.goto(`${SERVER}/admin/audit?action=archive.*`)
  await page.locator('.hv-act-choice', { hasText: '影像存档：全部操作' }).waitFor()
}

/** Two notes of a sender wait: one is followed, one is declined, each with a reason. */
async function notes(page: Page): Promise<void> {
  await page.getByRole('menuitem', { name: '作废通知' }).click()
  const mine = page.locator(ROWS, { hasText: '钱伟' })
  await mine.nth(1).waitFor()
  const before = await mine.count()
  assert.deepEqual(await serious(page), [])
  for (const [way, why] of [['作废', '体位错误'], ['不作废', '通知有误']] as const) {
    const left = await mine.count()
    await mine.first().getByRole('button', { name: way, exact: true }).click()
    const dialog = page.getByRole('dialog')
    const sent = dialog.getByRole('button', { name: way, exact: true })
    await sent.click()
    await dialog.getByText('必填').waitFor()
    await dialog.getByLabel('理由').fill(why)
    await shot(page, `note-${way}-zh`)
    await sent.click()
    await page.waitForFunction(([rows, wanted]) => [...document.querySelectorAll(rows)].filter((r) => r.textContent?.includes('钱伟')).length === wanted, [ROWS, left - 1] as const)
  }
  await page.goto(`${SERVER}/admin/notes?state=decided`)
  for (const [state, why] of [['已作废', '体位错误'], ['不作废', '通知有误']] as const) await mine.filter({ hasText: state }).filter({ hasText: why }).first().waitFor()
  await shot(page, 'notes-decided-zh')
  const answer = await page.request.get(`${SERVER}/v1/rejection-notes?limit=200`)
  const waiting = ((await answer.json()) as { items: { study: { patient_id: string } }[] }).items.filter((n) => n.study.patient_id === 'P-qian')
  assert.equal(waiting.length, before - 2)
}

const journey: Journey = async (open) => {
  const { page } = await open('zh-CN')
  await signIn(page, ADMIN, '/admin/keys')
  await page.getByRole('button', { name: '新建密钥' }).click()
  await page.getByLabel('名称').fill('e2e')
  await page.getByRole('button', { name: '创建' }).click()
  const key = await page.locator('.hv-secret').innerText()
  const me = await fetch(`${SERVER}/v1/me`, { headers: { Authorization: `Bearer ${key}` } })
  assert.equal(me.status, 200, await me.clone().text())
  await page.getByRole('button', { name: '我已保存' }).click()
  const row = page.locator('.ant-table-row', { hasText: 'e2e' })
  await sure(page, row.getByRole('button', { name: '吊销' }))
  await row.getByText('已吊销').waitFor()

  await page.getByRole('menuitem', { name: '审计' }).click()
  const patient = page.getByRole('combobox', { name: '患者姓名或编号' })
  await patient.click()
  await page.keyboard.type('P-li')
  await pick(patient, page.locator('.ant-select-item-option', { hasText: 'P-li' }).first())
  await page.waitForURL(/patient_id=/)
  await page.getByRole('heading', { name: '谁查看过' }).waitFor()
  await page.getByRole('button', { name: '验证完整性' }).click()
  await page.locator('.ant-tag', { hasText: '完整' }).waitFor()
  const href = await page.getByRole('link', { name: '导出 CSV' }).getAttribute('href')
  const csv = await page.request.get(`${SERVER}${href ?? ''}`)
  assert.match(await csv.text(), /action/)
  await shot(page, 'audit-zh')
  await words(page)
  await notes(page)
  await page.getByRole('menuitem', { name: '运行状况' }).click()
  await page.getByText('正常', { exact: true }).first().waitFor()
  await shot(page, 'health-zh')
}

export default journey
