// SPDX-License-Identifier: Apache-2.0
// Thousands of rows in every list (tests/web/crowd.py): one page in the document, further pages by
// keyboard, filters that survive a reload, names beyond the first page of people.
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import { ADMIN, pick, SERVER, shot, signIn } from './browser.ts'
import type { Journey } from './run.ts'

const PAGE = 50

const rows = (page: Page) => page.locator('.ant-table-tbody > tr.ant-table-row')
const full = (page: Page) => page.waitForFunction((n) => document.querySelectorAll('.ant-table-tbody > tr.ant-table-row').length === n, PAGE)

/** The first row is another one when the next page is there; its text alone changes when names come in. */
async function turn(page: Page, button: string): Promise<void> {
  const before = await rows(page).first().getAttribute('data-row-key')
  assert.ok(before)
  await page.getByRole('button', { name: button, exact: true }).focus()
  await page.keyboard.press('Enter')
  await page.waitForFunction((key) => {
    const now = document.querySelector('.ant-table-tbody > tr.ant-table-row')?.getAttribute('data-row-key')
    return !!now && now !== key
  }, before)
  await full(page)
}

async function visit(page: Page, path: string): Promise<void> {
  await page.goto(SERVER + path)
  await full(page)
  await turn(page, '下一页')
  await turn(page, '上一页')
}

const shown = (page: Page, count: number) =>
  page.waitForFunction((n) => document.querySelectorAll('.ant-table-tbody > tr.ant-table-row').length === n, count)

/** People are found by name and address, the text stays in the address, nobody found is told. */
async function people(page: Page): Promise<void> {
  const box = page.getByRole('searchbox', { name: '按姓名或邮箱查找' })
  await box.fill('PERSON012 职员') // 0120 to 0129
  await page.keyboard.press('Enter')
  await page.waitForURL(/q=PERSON012/)
  await shown(page, 10)
  await page.reload()
  await shown(page, 10)
  assert.equal(await box.inputValue(), 'PERSON012 职员', 'the search survives a reload')
  await shot(page, 'crowd-people')
  await box.fill('没有这个人')
  await page.keyboard.press('Enter')
  await page.getByText('没有符合的用户').waitFor()
  await shot(page, 'crowd-nobody')
  await page.getByRole('button', { name: '显示全部用户' }).click()
  await full(page)
}

const journey: Journey = async (open) => {
  const { page } = await open('zh-CN')
  page.on('requestfinished', (request) => {
    const path = new URL(request.url()).pathname
    if (path.startsWith('/v1/') && !path.endsWith('/events')) console.log(path, Math.round(request.timing().responseEnd))
  })
  await signIn(page, ADMIN)
  await full(page)
  await page.getByRole('tab', { name: /全部 100\d\d/ }).waitFor()
  await turn(page, '下一页')
  await page.waitForURL(/cursor=/)
  const second = await rows(page).first().innerText()
  await page.reload()
  await full(page)
  assert.equal(await rows(page).first().innerText(), second, 'a page survives a reload')
  await turn(page, '返回')
  await page.getByRole('tab', { name: /已完成 8000/ }).focus()
  await page.keyboard.press('Enter')
  await page.waitForURL(/tab=done/)
  await full(page)
  await page.getByRole('searchbox').first().fill('xiao7771')
  await page.keyboard.press('Enter')
  await page.waitForFunction(() => document.querySelectorAll('.ant-table-tbody > tr.ant-table-row').length === 1)
  await shot(page, 'crowd-worklist')

  await visit(page, '/admin/users')
  await people(page)
  await visit(page, '/admin/keys')
  await visit(page, '/admin/quarantine?state=all')
  await visit(page, '/admin/notes')
  await visit(page, '/admin/jobs?state=failed')
  const state = page.getByRole('combobox', { name: '状态' })
  await state.click()
  await pick(state, page.locator('.ant-select-item-option', { hasText: '已取消' }))
  await page.waitForURL(/state=cancelled/)
  await page.reload()
  await full(page)
  for (const text of await page.locator('.ant-table-row .ant-select-selection-item, .ant-table-row').allInnerTexts()) assert.doesNotMatch(text, /失败/)
  await shot(page, 'crowd-tasks')

  await visit(page, '/admin/audit')
  await page.getByRole('combobox', { name: '用户' }).click()
  await page.keyboard.type('职员 0987') // far beyond the first page of people
  const option = page.locator('.ant-select-item-option', { hasText: '职员 0987' })
  await option.waitFor()
  await shot(page, 'crowd-choice')
  await option.click()
  await page.waitForURL(/user_id=/)
  await page.locator('.hv-person-choice', { hasText: '职员 0987' }).waitFor() // its name, not its id
  await page.waitForFunction(() => [...document.querySelectorAll<HTMLElement>('.ant-table-tbody > tr.ant-table-row')].every((r) => r.innerText.includes('职员 0987')))
  assert.ok((await rows(page).count()) >= 10)
  await shot(page, 'crowd-audit')
}

export default journey
