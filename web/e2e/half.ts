// SPDX-License-Identifier: Apache-2.0
// The page is left half-way through an upload: it is offered, refuses another file, and goes on
// with the same one without sending again what is there. HV_E2E_FILE: a zip of many parts.
import assert from 'node:assert/strict'
import { DOCTOR, expected, shot, signIn } from './browser.ts'
import type { Journey } from './run.ts'

const FILE = process.env.HV_E2E_FILE ?? ''
const PARTS = '**/v1/blobs/**'

const journey: Journey = async (open) => {
  const made = await open('zh-CN')
  const { page } = made
  await signIn(page, DOCTOR, '/analyze')
  let sent = 0
  await page.route(PARTS, (route) => {
    sent += 1
    return sent > 2 ? undefined : route.continue() // the third part never arrives
  })
  await page.locator('input[type=file]').first().setInputFiles(FILE)
  await page.waitForFunction(() => localStorage.getItem('hv-uploads') !== null)
  while (sent < 3) await page.waitForTimeout(100)
  await page.unrouteAll({ behavior: 'ignoreErrors' })
  await page.reload()

  const offer = page.locator('.hv-half')
  await offer.getByText('half.zip').waitFor()
  await shot(page, 'half-offered')
  const percent = Number(/(\d+)%/.exec(await offer.innerText())?.[1])
  assert.ok(percent > 0 && percent < 100, `${percent}%`)
  await offer.locator('input[type=file]').setInputFiles({ name: 'half.zip', mimeType: 'application/zip', buffer: Buffer.from('another') })
  await page.locator('.ant-message-warning').waitFor()
  let rest = 0
  page.on('request', (r) => {
    if (r.url().includes('/v1/blobs/')) rest += 1
  })
  const created: string[] = []
  page.on('request', (r) => {
    if (r.method() === 'POST' && new URL(r.url()).pathname === '/v1/uploads') created.push(r.url())
  })
  await offer.locator('input[type=file]').setInputFiles(FILE)
  await page.locator('.hv-job .hv-brought').first().waitFor()
  await offer.waitFor({ state: 'detached' })
  assert.ok(rest > 0, 'the missing parts were sent')
  assert.deepEqual(created, [], 'the same upload went on')
  assert.equal(await page.evaluate(() => localStorage.getItem('hv-uploads')), '{}')
  expected(made, /ERR_ABORTED|ERR_FAILED/)
}

export default journey
