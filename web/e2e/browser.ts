// SPDX-License-Identifier: Apache-2.0
// Debian's Chromium with software GL; notes every console error and every failed request.
import { chromium, type Browser, type Locator, type Page } from 'playwright-core'

const FLAGS = [
  '--no-sandbox',
  '--use-gl=angle',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
  '--ignore-gpu-blocklist',
  '--disable-dev-shm-usage',
]

export interface Visit {
  page: Page
  troubles: string[]
  close: () => Promise<void>
}

export const SERVER = process.env.HV_E2E_SERVER ?? 'http://127.0.0.1:8080'

/** How many times slower the page's processor is: brings out what only fails on a loaded machine. */
const SLOWER = Number(process.env.HV_E2E_SLOWER ?? 1)

/** By how many milliseconds each call to the API is held up: brings out what only fails beside a busy server. */
const LATE = Number(process.env.HV_E2E_LATE ?? 0)

let browser: Browser | undefined

export async function newVisit(language: 'zh-CN' | 'en' = 'zh-CN', size = { width: 1440, height: 900 }): Promise<Visit> {
  browser ??= await chromium.launch({ executablePath: process.env.HV_CHROMIUM ?? '/usr/bin/chromium', args: FLAGS })
  const context = await browser.newContext({ viewport: size, locale: language, acceptDownloads: true })
  await context.addInitScript((chosen) => {
    if (localStorage.getItem('hv-language')) return
    localStorage.setItem('hv-language', chosen)
    localStorage.setItem('hv-language-due', chosen) // as if chosen on the sign-in page: it becomes the person's
  }, language)
  const page = await context.newPage()
  if (SLOWER > 1) {
    const inside = await context.newCDPSession(page)
    await inside.send('Emulation.setCPUThrottlingRate', { rate: SLOWER })
  }
  if (LATE > 0) {
    await context.route('**/v1/**', async (route) => {
      await new Promise((done) => setTimeout(done, LATE))
      await route.fallback().catch(() => undefined) // the page went on meanwhile
    })
  }
  page.setDefaultTimeout(90_000) // a loaded test machine is slow, not wrong
  const troubles: string[] = []
  page.on('console', (m) => {
    if (m.type() === 'error' || m.type() === 'warning') troubles.push(`console ${m.type()}: ${m.text()}`)
  })
  page.on('pageerror', (error) => troubles.push(`page: ${error.message}`))
  page.on('request', (request) => {
    const url = new URL(request.url())
    if (url.protocol.startsWith('http') && url.origin !== SERVER) troubles.push(`outside: ${request.url()}`)
  })
  return { page, troubles, close: () => context.close() }
}

export interface Person {
  email: string
  password: string
}

/** The people of the server under test, out of the environment. */
export const DOCTOR: Person = { email: process.env.HV_E2E_DOCTOR ?? '', password: process.env.HV_E2E_DOCTOR_PASSWORD ?? '' }
export const ADMIN: Person = { email: process.env.HV_E2E_ADMIN ?? '', password: process.env.HV_E2E_ADMIN_PASSWORD ?? '' }

/** Keep a picture when HV_E2E_SHOTS names a folder. */
export async function shot(page: Page, name: string): Promise<void> {
  const folder = process.env.HV_E2E_SHOTS
  if (folder) await page.screenshot({ path: `${folder}/${name}.png` })
}

/** Forget troubles that a journey causes on purpose. */
export function expected(made: Visit, pattern: RegExp): void {
  made.troubles.splice(0, made.troubles.length, ...made.troubles.filter((t) => !pattern.test(t)))
}

export async function signIn(page: Page, { email, password }: Person, path = '/'): Promise<void> {
  await page.goto(SERVER + path)
  await page.locator('#email').fill(email)
  await page.locator('#password').fill(password)
  await page.locator('button[type=submit]').click()
  await page.locator('.hv-bar').waitFor()
}

/** Press a button that asks whether one is sure, and say yes by keyboard: on a busy machine antd may put
 * the question beside the screen (its left stays at -1000vw), where the mouse does not reach it. */
export async function sure(page: Page, opener: Locator): Promise<void> {
  await opener.click()
  await page.locator('.ant-popconfirm:not(.ant-popover-hidden) .ant-btn-primary').last().press('Enter')
}

/** Take an option of an open list; once more when the list was drawn anew under the pointer. */
export async function pick(box: Locator, option: Locator): Promise<void> {
  await option.waitFor()
  for (let turn = 0; turn < 10; turn++) {
    await option.click({ timeout: 5000 }).catch(() => undefined) // the list may have closed meanwhile
    for (let look = 0; look < 60; look++) {
      if ((await box.getAttribute('aria-expanded')) !== 'true') return
      await new Promise((done) => setTimeout(done, 50))
    }
  }
  throw new Error('the list did not take the option')
}

/** Close what lies on top (``css``) by Escape, as often as it takes: a tooltip that opened late takes the first one. */
export async function leave(page: Page, css: string): Promise<void> {
  const gone = () => page.waitForFunction((which) => [...document.querySelectorAll(which)].every((e) => !e.checkVisibility()), css, { timeout: 8000 })
  for (let tries = 0; tries < 5; tries += 1) {
    await page.keyboard.press('Escape')
    if (await gone().then(() => true, () => false)) return
  }
  throw new Error(`Escape does not close ${css}`)
}

export async function end(): Promise<void> {
  await browser?.close()
  browser = undefined
}
