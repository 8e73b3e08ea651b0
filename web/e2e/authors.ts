// SPDX-License-Identifier: Apache-2.0
// Two readers measure one study: each sees whose a measurement is, changes only its own, and what
// is saved at the same time by two people, or by one in two browsers, is all there after a reload.
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import { ADMIN, DOCTOR, SERVER, shot, signIn, type Person } from './browser.ts'
import type { Journey } from './run.ts'
import { draw, pixels, ready, WAIT } from './viewer.ts'

const STUDY = process.env.HV_E2E_STUDY ?? ''
const BASE = 'li[data-measured=length]'
const own = (page: Page) => page.locator(`${BASE}[data-own=true]`)
const others = (page: Page) => page.locator(`${BASE}[data-own=false]`)

async function see(page: Page): Promise<void> {
  await page.goto(`${SERVER}/viewer/${STUDY}`)
  await ready(page, 'stack-0')
  await page.locator('[data-tab=measured]').click()
}

async function counts(page: Page, mine: number, theirs: number, what: string): Promise<void> {
  const found = async () => [await own(page).count(), await others(page).count()]
  const there = ([base, a, b]: readonly [string, number, number]) =>
    document.querySelectorAll(`${base}[data-own=true]`).length === a && document.querySelectorAll(`${base}[data-own=false]`).length === b
  await page.waitForFunction(there, [BASE, mine, theirs] as const, WAIT).catch(async () => {
    assert.deepEqual(await found(), [mine, theirs], what)
  })
}

/** A horizontal line at a share of the picture's height. */
async function line(page: Page, height: number): Promise<void> {
  const at = await ready(page, 'stack-0')
  const box = await at.locator('canvas').first().boundingBox()
  assert.ok(box)
  const before = await own(page).count()
  await page.keyboard.press('l')
  await draw(page, at, [box.width * 0.35, box.height * height], [box.width * 0.6, box.height * height])
  await own(page).nth(before).waitFor(WAIT)
}

async function save(page: Page): Promise<void> {
  await page.keyboard.press('Control+s')
  await page.locator('[data-notice="save.done"]').waitFor(WAIT)
  await page.locator('[data-tool=save][disabled]').waitFor(WAIT)
}

const journey: Journey = async (open) => {
  const visit = async (person: Person, language: 'zh-CN' | 'en' = 'zh-CN') => {
    const { page } = await open(language)
    page.on('dialog', (dialog) => void dialog.accept())
    await signIn(page, person)
    return page
  }
  const doctor = await visit(DOCTOR)
  await see(doctor)
  const dark = (await pixels(await ready(doctor, 'stack-0'), 700, 400, 1, 1))[0]?.[0]
  assert.ok(dark !== undefined && dark < 3, `-800 HU under a window of 400 around 40, first image all equal: ${String(dark)}`)
  await line(doctor, 0.2)
  await line(doctor, 0.35)
  await save(doctor)

  const again = await visit(DOCTOR) // the same person in another browser
  await see(again)
  await counts(again, 2, 0, 'the doctor sees the own ones in another browser')
  const admin = await visit(ADMIN, 'en')
  await see(admin)
  await counts(admin, 0, 2, 'another reader sees the measurements of the doctor')
  const names = await others(admin).locator('[data-author]').evaluateAll((all) => all.map((e) => e.getAttribute('data-author')))
  assert.ok(names.every((n) => n === process.env.HV_E2E_DOCTOR_NAME), `author shown: ${names.join()}`)
  assert.equal(await others(admin).locator('[data-remove]').count(), 0, 'nobody removes what is not his')

  await admin.keyboard.press('Delete') // the eraser, over the first line of the doctor
  const box = await (await ready(admin, 'stack-0')).locator('canvas').first().boundingBox()
  assert.ok(box)
  await admin.mouse.click(box.x + box.width * 0.45, box.y + box.height * 0.2)
  await others(admin).first().locator('[data-take]').click()
  await counts(admin, 1, 2, 'taken over: an own one, the other stays')
  await line(admin, 0.5)
  await shot(admin, 'authors-taken-over')
  await line(doctor, 0.65)
  await Promise.all([save(admin), save(doctor)]) // two readers at once
  await line(again, 0.8)
  await save(again) // made on what stood before the doctor saved in the first browser
  await counts(again, 4, 2, 'one reader in two browsers loses nothing')

  await doctor.reload()
  await ready(doctor, 'stack-0')
  await doctor.locator('[data-tab=measured]').click()
  await counts(doctor, 4, 2, 'all of both readers are there after a reload')
  await shot(doctor, 'authors-both')
  await own(doctor).first().locator('[data-remove]').click()
  await counts(doctor, 3, 2, 'one taken away')
  await save(doctor)
  await doctor.reload()
  await ready(doctor, 'stack-0')
  await doctor.locator('[data-tab=measured]').click()
  await counts(doctor, 3, 2, 'what was taken away stays away')
}

export default journey
