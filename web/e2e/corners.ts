// SPDX-License-Identifier: Apache-2.0
// Every corner of the interface in one language (HV_E2E_LANGUAGE): dialogs, drawers, menus, empty lists,
// errors. Each is looked at for words of the other language; in zh-CN by axe too (the elements are the same).
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { Locator, Page } from 'playwright-core'
import { ADMIN, SERVER, expected, leave, shot, signIn, type Visit } from './browser.ts'
import type { Journey } from './run.ts'
import { ready } from './viewer.ts'
import { chineseLeft, englishLeft, serious, still } from './words.ts'

const LANGUAGE = process.env.HV_E2E_LANGUAGE === 'en' ? 'en' : 'zh-CN'
const NOBODY = '00000000-0000-7000-8000-000000000000'
const NOTHING = 'zzzz-0000'

type Tree = { [name: string]: string | Tree }

/** A text of the interface by its key: 'admin:users.invite'. */
function word(key: string): string {
  const [file = '', path = ''] = key.split(':')
  const tree = JSON.parse(readFileSync(new URL(`../src/i18n/${LANGUAGE}/${file}.json`, import.meta.url), 'utf8')) as Tree
  const found = path.split('.').reduce<string | Tree | undefined>((at, name) => (typeof at === 'object' ? at[name] : undefined), tree)
  assert.equal(typeof found, 'string', key)
  return found as string
}

class Crawl {
  readonly troubles: string[] = []
  readonly visit: Visit
  readonly page: Page
  #seen = 0

  constructor(visit: Visit) {
    this.visit = visit
    this.page = visit.page
  }

  /** Go through a part; what stops it is told with the rest, and the next part begins anew. */
  async part(walk: (c: Crawl) => Promise<void>): Promise<void> {
    try {
      await walk(this)
    } catch (error) {
      this.troubles.push(`${walk.name} stopped at ${this.page.url()}: ${String(error)}`)
      await this.page.unrouteAll({ behavior: 'ignoreErrors' })
    }
  }

  /** Look at what is shown now. */
  async look(name: string): Promise<void> {
    await still(this.page)
    this.#seen += 1
    await shot(this.page, `corner-${LANGUAGE}-${String(this.#seen).padStart(2, '0')}-${name}`)
    const left = LANGUAGE === 'en' ? await chineseLeft(this.page, PATIENT) : await englishLeft(this.page, PATIENT)
    const bad = LANGUAGE === 'en' ? [] : await serious(this.page)
    this.troubles.push(...left.map((t) => `${name}: of the other language: ${t}`), ...bad.map((t) => `${name}: ${t}`))
  }

  async go(path: string, shown: string): Promise<void> {
    await this.page.goto(SERVER + path)
    await this.page.locator(shown).first().waitFor()
  }

  /** Open a popup, look at it, close it. */
  async popup(name: string, opener: Locator, popup: string): Promise<void> {
    const { page } = this
    await opener.click()
    await page.locator(popup).last().waitFor()
    await this.look(name)
    await leave(page, popup)
  }

  async selects(name: string, which: string): Promise<void> {
    const found = this.page.locator(which)
    for (let i = 0; i < (await found.count()); i += 1) await this.popup(`${name}-select-${i}`, found.nth(i), SELECT)
  }

  button(key: string): Locator {
    return this.page.getByRole('button', { name: word(key), exact: true }).first()
  }

  /** The screen when the server fails at a call. */
  async failing(name: string, call: string, path: string, shown = '.ant-alert'): Promise<void> {
    const { page, visit } = this
    await page.route(call, (route) => route.fulfill({ status: 500, contentType: 'application/problem+json', body: PROBLEM }))
    await this.go(path, shown)
    await this.look(name)
    await page.unrouteAll({ behavior: 'wait' })
    expected(visit, /500/)
  }
}

const PROBLEM = JSON.stringify({ type: 'urn:healthvision:problem:bug', title: 'T', detail: '', status: 500, request_id: 'r-1' })
const PATIENT = '[data-tile], [data-series], .hv-visit, .hv-reading .hv-head h1, .hv-reading .hv-head span, .hv-series-name, .hv-job b, .ant-select-item-option'
const SELECT = '.ant-select-dropdown:not(.ant-select-dropdown-hidden)'
const DIALOG = '[role=dialog]:not(.ant-drawer-section)'

async function worklist(c: Crawl): Promise<void> {
  const { page } = c
  const rows = '.ant-table-row'
  await c.go('/', rows)
  await page.getByRole('button', { name: word('common:api.open') }).click()
  await page.locator('.ant-drawer-open .hv-call').first().click()
  await page.locator('.hv-code pre').first().waitFor()
  await c.look('drawer')
  await leave(page, '.ant-drawer-open, .ant-drawer-mask')
  await c.popup('person', page.locator('.hv-who'), '.ant-dropdown:not(.ant-dropdown-hidden)')
  await c.selects('worklist', '.hv-filters > .ant-select')
  await c.popup('dates', page.locator('.hv-filters .ant-picker').first(), '.ant-picker-dropdown:not(.ant-picker-dropdown-hidden)')
  await page.locator(`${rows} .ant-checkbox-input`).first().check()
  await page.getByRole('button', { name: word('worklist:batch.button').replace('{{count}}', '1') }).click()
  await page.locator(DIALOG).waitFor()
  await c.look('batch')
  await c.go(`/?text=${NOTHING}`, '.ant-empty')
  await c.look('worklist-empty')
  await c.failing('worklist-error', '**/v1/worklist?*', '/')
}

async function analyse(c: Crawl): Promise<void> {
  const { page } = c
  await c.go('/analyze', '.hv-drop')
  await c.selects('analyze', '.hv-page .ant-select')
  await page.locator('input[type=file]').first().setInputFiles({ name: 'letter.png', mimeType: 'image/png', buffer: Buffer.from('no picture') })
  await page.locator('.hv-job .hv-task-failed').waitFor()
  await c.look('analyze-failed')
  await c.go('/models', 'main a[href^="/models/"]')
  await page.locator('main a[href^="/models/"]').first().click()
  await page.locator('main h2').first().waitFor()
  await c.look('model-card')
  await c.failing('models-error', '**/v1/models', '/models')
}

async function people(c: Crawl): Promise<void> {
  const { page } = c
  await c.go('/admin/users', '.ant-table-row')
  await c.button('admin:users.invite').click()
  await page.locator(DIALOG).waitFor()
  await page.locator(DIALOG).getByRole('button', { name: word('admin:users.send') }).click()
  await page.locator('.ant-form-item-explain-error').first().waitFor()
  await c.look('invite')
  await c.go('/admin/users', '.ant-table-row')
  await page.locator('.hv-roles input').first().focus()
  await page.keyboard.press('ArrowDown') // a press in the middle takes a role away
  await page.locator(SELECT).last().waitFor()
  await c.look('user-roles')
  await page.keyboard.press('Escape')
  await c.popup('user-sure', c.button('admin:users.disable'), '.ant-popconfirm:not(.ant-popover-hidden)')
  await c.go(`/admin/users?q=${NOTHING}`, '.ant-empty')
  await c.look('users-empty')
  await c.failing('users-error', '**/v1/users?*', '/admin/users')
  await c.go('/admin/roles', '.ant-table-row')
  await c.popup('new-role', c.button('admin:roles.new'), DIALOG)
  await c.go('/admin/keys', '.ant-table-row')
  await c.popup('new-key', c.button('admin:keys.new'), DIALOG)
}

async function machine(c: Crawl): Promise<void> {
  const { page } = c
  await c.go('/admin/webhooks', '.hv-first-button')
  await c.popup('new-webhook', c.button('admin:hooks.new'), DIALOG)
  for (const part of ['jobs', 'quarantine', 'notes', 'audit', 'deadlines']) {
    await c.go(`/admin/${part}`, '.ant-table')
    await c.selects(part, '.hv-filters > .ant-select:not(.hv-patient-choice), .hv-first-button.ant-select')
  }
  await c.go('/admin/jobs?state=cancelled', '.ant-table')
  await c.look('jobs-cancelled')
  await c.go('/admin/deadlines?days=1&priority=urgent', '.ant-empty')
  await c.look('deadlines-empty')
  await c.go('/admin/notes', '.ant-table-row')
  for (const way of ['follow', 'decline']) {
    await c.button(`admin:notes.${way}`).click()
    await page.locator(DIALOG).getByRole('button', { name: word(`admin:notes.${way}`), exact: true }).click()
    await page.locator('.ant-form-item-explain-error').waitFor()
    await c.look(`note-${way}`)
    await leave(page, DIALOG)
  }
  await c.failing('notes-error', '**/v1/rejection-notes?*', '/admin/notes', '.ant-alert-error')
  await c.go(`/admin/audit?action=${NOTHING}`, '.ant-empty')
  await c.look('audit-empty')
  await c.popup('audit-dates', page.locator('.hv-filters .ant-picker').first(), '.ant-picker-dropdown:not(.ant-picker-dropdown-hidden)')
  await c.failing('audit-error', '**/v1/audit/events?*', '/admin/audit', '.ant-alert-error')
  await c.failing('health-bad', '**/readyz', '/admin/health', '.hv-task-failed')
  await c.go(`/admin/${NOTHING}`, '.ant-result')
  await c.look('lost')
}

async function studies(c: Crawl, study: string, patient: string): Promise<void> {
  const { page, visit } = c
  await c.go(`/patients/${patient}`, '.hv-visit')
  await c.look('patient')
  await c.go(`/patients/${NOBODY}`, '.ant-alert')
  await c.look('patient-gone')
  await c.go(`/reading/${study}`, '.hv-reading h2')
  await c.popup('reading-keys', c.button('reading:keys.title'), DIALOG)
  await c.go(`/reading/${NOBODY}`, '.ant-alert')
  await c.look('reading-gone')
  await c.go(`/viewer/${NOBODY}`, '.ant-alert')
  await c.look('viewer-gone')
  await c.go(`/viewer/${study}`, '[data-tile="stack-0"]')
  await ready(page, 'stack-0')
  for (const tab of ['panel', 'overlays', 'measured', 'priors']) {
    await page.locator(`[data-tab=${tab}]`).click()
    await c.look(`viewer-${tab}`)
  }
  await c.popup('viewer-keys', page.locator('[data-tool=help]'), DIALOG)
  expected(visit, /404/)
}

/** Lost network, an ended session: last, since nothing works after it. */
async function ends(c: Crawl): Promise<void> {
  const { page, visit } = c
  await c.go('/admin/keys', '.ant-table-row')
  await page.context().setOffline(true)
  await page.locator('.ant-alert-banner').waitFor()
  await c.look('offline')
  await page.context().setOffline(false)
  await page.locator('.ant-alert-banner').waitFor({ state: 'detached' })
  await page.context().clearCookies()
  await page.locator('a[href="/admin/roles"]').click()
  await page.locator(DIALOG).waitFor()
  await c.look('expired')
  expected(visit, /401|ERR_INTERNET_DISCONNECTED|ERR_NETWORK|Failed to load resource/)
}

const journey: Journey = async (open) => {
  const visit = await open(LANGUAGE)
  const { page } = visit
  const c = new Crawl(visit)
  await c.go('/', '#email')
  await page.locator('#email').fill('nobody@hospital.example')
  await page.locator('#password').fill('wrong password')
  await page.locator('button[type=submit]').click()
  await page.locator('.ant-alert').waitFor()
  await c.look('login-wrong')
  expected(visit, /401/)
  await signIn(page, ADMIN)
  const found = await page.request.get(`${SERVER}/v1/worklist?text=P-li`)
  const [row] = ((await found.json()) as { items: { study_id: string; patient_ref: string }[] }).items
  assert.ok(row, 'the study of P-li is there')
  const aStudy = (crawl: Crawl) => studies(crawl, row.study_id, row.patient_ref)
  for (const walk of [worklist, analyse, people, machine, aStudy, ends]) await c.part(walk)
  assert.deepEqual(c.troubles, [])
}

export default journey
