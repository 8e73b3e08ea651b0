// SPDX-License-Identifier: Apache-2.0
// Findings -> verdicts by key -> report prefilled -> a lost network and a reload lose nothing ->
// the second doctor signs -> files. HV_E2E_STUDY: id of a study with a result; HV_E2E_FINDS=1: with
// findings, else it abstained.
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import { ADMIN, DOCTOR, SERVER, expected, shot, signIn, sure } from './browser.ts'
import type { Journey } from './run.ts'

const STUDY = process.env.HV_E2E_STUDY ?? ''
const FINDS = process.env.HV_E2E_FINDS === '1'

const section = (page: Page, title: string) => page.locator('.hv-section').filter({ hasText: title }).locator('textarea').first()
const impression = (page: Page) => section(page, '诊断结果')
const state = (page: Page, text: string) => page.locator('.hv-draft-state', { hasText: text }).waitFor()

async function judge(page: Page): Promise<void> {
  await page.locator('.hv-line').first().waitFor()
  const lines = await page.locator('.hv-line').count()
  await shot(page, 'reading-zh')
  await page.keyboard.press('a')
  await page.locator('.hv-said-accept b').first().waitFor()
  await page.keyboard.press('u')
  await page.locator('.hv-verdict .hv-unverified').waitFor()
  if (!FINDS) {
    await page.keyboard.press('d')
    await page.locator('.hv-said-reject b').first().waitFor()
    await page.reload()
    await page.locator('.hv-lines .hv-said-reject').waitFor() // a verdict survives a reload
    return
  }
  await page.keyboard.press('m')
  await page.getByRole('dialog').waitFor()
  const field = page.getByRole('dialog').locator('input').nth(1)
  await field.fill('右肺上叶尖段')
  await page.waitForTimeout(300)
  await shot(page, 'reading-modify-zh')
  await page.getByRole('button', { name: '保存修改' }).click()
  await page.locator('.hv-said-modify b').first().waitFor()
  for (let i = 1; i < lines; i += 1) {
    await page.keyboard.press('.')
    await page.locator('.hv-line').nth(i).and(page.locator('[aria-current=true]')).waitFor()
    await page.keyboard.press('d')
    await page.locator('.hv-verdict .hv-said-reject b').waitFor()
  }
  await page.keyboard.press(',')
  await page.reload()
  await page.locator('.hv-lines .hv-said-modify').waitFor() // a verdict survives a reload
}

async function write(page: Page): Promise<void> {
  await page.getByRole('button', { name: '开始写报告' }).click()
  await impression(page).waitFor()
  if (FINDS) assert.match(await section(page, '影像表现').inputValue(), /右肺上叶尖段/, 'the corrected finding is in the report')
  else {
    await section(page, '影像表现').fill('影像不足以判断。')
    await page.getByText('阴性', { exact: true }).click()
  }
  await impression(page).fill('右肺上叶结节，建议随访。')
  await state(page, '已保存')
  await page.context().setOffline(true)
  await impression(page).fill('右肺上叶结节，建议随访。断网时输入。')
  await state(page, '已保留在本机')
  await shot(page, 'reading-offline-zh')
  await page.context().setOffline(false)
  await state(page, '已保存')
  await page.reload()
  await impression(page).waitFor()
  assert.match(await impression(page).inputValue(), /断网时输入/)
}

/** What was typed and not sent is there after a reload, though the server never saw it. */
async function interrupted(page: Page): Promise<void> {
  await page.route('**/draft', (route) => route.abort())
  await impression(page).fill('右肺上叶结节，建议 3 个月后复查。')
  await state(page, '已保留在本机')
  await page.unroute('**/draft')
  await page.reload()
  await impression(page).waitFor()
  assert.match(await impression(page).inputValue(), /3 个月后复查/)
  await state(page, '已保存')
}

const journey: Journey = async (open) => {
  const made = await open('zh-CN')
  const { page } = made
  await signIn(page, DOCTOR, `/reading/${STUDY}`)
  await judge(page)
  await write(page)
  await interrupted(page)
  await page.getByRole('button', { name: '提交审核' }).click()
  await page.getByText('等待第二位医生审核').first().waitFor()
  expected(made, /ERR_INTERNET_DISCONNECTED|ERR_FAILED/)

  const second = await open('zh-CN')
  await signIn(second.page, ADMIN, '/?tab=review')
  await second.page.locator('.ant-table-row').first().waitFor()
  await second.page.goto(`${SERVER}/reading/${STUDY}`)
  await sure(second.page, second.page.getByRole('button', { name: '审核并签名' }))
  await second.page.locator('.hv-signature').first().waitFor()
  await shot(second.page, 'reading-signed-zh')
  await second.page.getByRole('button', { name: '下载' }).last().click()
  const [file] = await Promise.all([second.page.waitForEvent('download'), second.page.getByText('PDF', { exact: true }).last().click()])
  assert.match(file.suggestedFilename(), /^report-.*\.pdf$/)

  await page.goto(`${SERVER}/?tab=done`)
  await page.locator('.ant-table-row').first().waitFor()
  await page.locator('.hv-name').first().click()
  await page.locator('.hv-visit').first().waitFor()
  await shot(page, 'patient-zh')
  await page.getByRole('button', { name: 'English' }).click()
  await page.goto(`${SERVER}/reading/${STUDY}`)
  await page.locator('.hv-signature').first().waitFor()
  await shot(page, 'reading-en')
}

export default journey
