// SPDX-License-Identifier: Apache-2.0
// What can go wrong: no rights, lost network, expired session with text on the way, sign-out.
import assert from 'node:assert/strict'
import { ADMIN, DOCTOR, SERVER, expected, shot, signIn } from './browser.ts'
import type { Journey } from './run.ts'

const journey: Journey = async (open) => {
  const doctor = await open('zh-CN')
  await signIn(doctor.page, DOCTOR, '/admin/users')
  await doctor.page.getByText('没有此页面，或您无权查看').waitFor()
  await doctor.page.goto(`${SERVER}/nowhere`)

  const admin = await open('zh-CN')
  const { page } = admin
  await signIn(page, ADMIN)
  await page.locator('.ant-table-row').first().waitFor()
  await page.context().setOffline(true)
  await page.getByRole('searchbox').first().fill('赵')
  await page.keyboard.press('Enter')
  await page.getByText('网络已断开').waitFor({ timeout: 30_000 })
  await shot(page, 'offline-zh')
  await page.context().setOffline(false)
  await page.locator('.ant-table-row').first().waitFor({ timeout: 30_000 })
  await page.getByText('网络已断开').waitFor({ state: 'detached', timeout: 30_000 })
  expected(admin, /ERR_INTERNET_DISCONNECTED|Failed to load resource|ERR_NETWORK/)

  await page.getByRole('menuitem', { name: '管理' }).click()
  await page.getByRole('button', { name: '邀请用户' }).click()
  const invitation = page.getByRole('dialog', { name: '邀请用户' })
  await invitation.getByLabel('姓名').fill('王医生')
  await invitation.getByLabel('邮箱').fill(`wang${Date.now()}@hospital.example`)
  // the session ends while the invitation is on its way: no other call may be the one that meets it
  await page.route(
    (url) => url.pathname === '/v1/users',
    async (route) => {
      if (route.request().method() === 'POST') await page.context().clearCookies()
      await route.continue()
    },
  )
  await page.getByRole('button', { name: '创建邀请' }).click()
  const again = page.getByRole('dialog', { name: '登录已失效' })
  await again.waitFor()
  await page.unrouteAll({ behavior: 'wait' })
  await shot(page, 'expired-zh')
  await again.getByLabel('密码').fill(ADMIN.password)
  await again.getByRole('button', { name: '登录', exact: true }).click()
  // the call that met the end of the session went on by itself
  const link = await page.locator('.hv-secret').innerText()
  assert.match(link, /^http/)
  await page.getByRole('button', { name: '我已保存' }).click()
  await page.locator('.ant-table-row', { hasText: '王医生' }).first().waitFor()
  expected(admin, /401/)

  await page.locator('.hv-who').click()
  await page.getByText('退出登录').click()
  await page.locator('#email').waitFor()
  expected(doctor, /404/)
  const state = await page.request.get(`${SERVER}/v1/me`)
  assert.equal(state.status(), 401)
}

export default journey
