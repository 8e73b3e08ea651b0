// SPDX-License-Identifier: Apache-2.0
// What each role sees: its menu, its parts of the administration, a start page without an error;
// the API refuses what the interface hides. HV_E2E_PEOPLE: [[role, email, password], ...].
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import { SERVER, expected, shot, signIn } from './browser.ts'
import type { Journey } from './run.ts'

const PEOPLE = JSON.parse(process.env.HV_E2E_PEOPLE ?? '[]') as [string, string, string][]
const MENU: Record<string, [string, string[]]> = {
  '/': ['影像列表', ['reading:read']],
  '/analyze': ['分析', ['studies:write']],
  '/models': ['模型', ['models:read']],
  '/admin': ['管理', ['users:read', 'audit:read', 'clients:read']],
}
// part of the administration -> what it needs, and a call behind it
const PARTS: Record<string, [string, string]> = {
  users: ['users:read', '/v1/users'],
  roles: ['users:read', '/v1/roles'],
  webhooks: ['notify:read', '/v1/subscriptions'],
  jobs: ['analysis:read', '/v1/tasks'],
  quarantine: ['quarantine:manage', '/v1/quarantine'],
  notes: ['studies:correct', '/v1/rejection-notes'],
  audit: ['audit:read', '/v1/audit/events'],
}

async function permissions(page: Page): Promise<(wanted: string) => boolean> {
  const me = (await (await page.request.get(`${SERVER}/v1/me`)).json()) as { permissions: string[] }
  return (wanted) => me.permissions.includes('*') || me.permissions.includes(wanted)
}

const journey: Journey = async (open) => {
  for (const [role, email, password] of PEOPLE) {
    const made = await open('zh-CN')
    const { page } = made
    await signIn(page, { email, password })
    const may = await permissions(page)
    const wanted = Object.values(MENU).filter(([, needs]) => needs.some(may)).map(([name]) => name)
    assert.deepEqual(await page.locator('.hv-menu').getByRole('menuitem').allInnerTexts(), wanted, `menu of ${role}`)
    await page.locator('main h1, main .ant-result-title').first().waitFor()
    await shot(page, `role-${role}`)
    if (wanted.length === 0) await page.getByText('您没有查看此页面的权限').waitFor()
    assert.deepEqual(made.troubles, [], `start page of ${role}`)
    for (const [path, [name, needs]] of Object.entries(MENU)) {
      if (needs.some(may) || path === '/admin' || path === '/') continue
      await page.goto(SERVER + path)
      await page.getByText('您没有查看此页面的权限').waitFor()
      assert.equal(await page.getByRole('menuitem', { name }).count(), 0)
    }
    for (const [part, [needs, call]] of Object.entries(PARTS)) {
      const status = (await page.request.get(SERVER + call)).status()
      assert.equal(status, may(needs) ? 200 : 403, `${role}: ${call}`)
      if (may(needs)) continue
      await page.goto(`${SERVER}/admin/${part}`)
      await page.getByText('没有此页面，或您无权查看').waitFor()
    }
    expected(made, /403/) // asked on purpose
    await made.close()
  }
}

export default journey
