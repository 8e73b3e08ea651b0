// SPDX-License-Identifier: Apache-2.0
// A file dropped on the page goes straight to the S3 server, never through ours; when the bucket lets
// no page in, the page says so and goes on once it does. HV_E2E_FILE: a zip; HV_E2E_S3: the S3 server.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { DOCTOR, expected, shot, signIn } from './browser.ts'
import type { Journey } from './run.ts'

const S3 = process.env.HV_E2E_S3 ?? ''

/** Drop a file where files are dropped, as the file manager does. */
async function drop(page: Page, name: string, data: Buffer): Promise<void> {
  const carried = await page.evaluateHandle(
    ([text, called]) => {
      const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0))
      const found = new DataTransfer()
      found.items.add(new File([bytes], called, { type: 'application/zip' }))
      return found
    },
    [data.toString('base64'), name] as const,
  )
  await page.locator('.hv-drop').dispatchEvent('drop', { dataTransfer: carried })
  await carried.dispose()
}

const journey: Journey = async (open) => {
  const made = await open('zh-CN')
  const { page } = made
  const puts: string[] = []
  page.on('request', (request) => {
    if (request.method() === 'PUT') puts.push(new URL(request.url()).origin)
  })
  await signIn(page, DOCTOR, '/analyze')
  const file = readFileSync(process.env.HV_E2E_FILE ?? '')

  await page.route(`${S3}/**`, (route) => route.abort('accessdenied')) // to a page CORS looks the same
  await drop(page, 'direct.zip', file)
  const job = page.locator('.hv-job').first()
  await job.locator('[role=alert]', { hasText: '对象存储' }).waitFor()
  assert.equal(await page.getByText('无法连接服务器').count(), 0, 'our own server is not blamed')
  await shot(page, 'objects-refused')
  await page.unroute(`${S3}/**`)
  await job.getByRole('button', { name: '继续' }).click()
  await page.locator('.hv-job[data-phase=stored]').first().waitFor()
  await shot(page, 'objects-stored')
  assert.deepEqual([...new Set(puts)], [S3], 'bytes go to the object store alone')
  expected(made, new RegExp(`^outside: ${S3}/`))
  expected(made, /ERR_ACCESS_DENIED|ERR_FAILED/)
}

export default journey
