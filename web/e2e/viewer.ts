// SPDX-License-Identifier: Apache-2.0
// What a radiologist tries first, on a study whose truth is known (tests/web/rods.py): greys,
// lengths with oblong pixels and in reformatted planes, sides, overlay, reload.
import assert from 'node:assert/strict'
import type { Locator, Page } from 'playwright-core'
import { DOCTOR, SERVER, leave, shot, signIn } from './browser.ts'
import type { Journey } from './run.ts'

const STUDY = process.env.HV_E2E_STUDY ?? ''
const list = (name: string) => (process.env[name] ?? '').split(',').map(Number)
const [SLICES = 0, ROWS = 0, COLUMNS = 0] = list('HV_E2E_SHAPE')
const [, ROW_MM = 1, COLUMN_MM = 1] = list('HV_E2E_SPACING')
const BLOCKS = list('HV_E2E_BLOCKS')
const [CENTRE, WIDTH] = [40, 400]
export const WAIT = { timeout: 60_000 }

type Rgb = [number, number, number]

export const tile = (page: Page, id: string) => page.locator(`[data-tile="${id}"]`)

export async function ready(page: Page, id: string): Promise<Locator> {
  const found = tile(page, id)
  await page.locator(`[data-tile="${id}"][data-ready]`).waitFor(WAIT)
  return found
}

/** A row or column of the picture as it is on the screen. */
export async function pixels(at: Locator, x: number, y: number, width: number, height: number): Promise<Rgb[]> {
  const flat = await at.locator('canvas').first().evaluate(
    (canvas, [px, py, w, h]) => {
      const one = canvas as HTMLCanvasElement
      const copy = document.createElement('canvas')
      copy.width = one.width
      copy.height = one.height
      const context = copy.getContext('2d') as CanvasRenderingContext2D
      context.drawImage(one, 0, 0)
      const { data } = context.getImageData(px, py, w, h)
      return Array.from(data)
    },
    [Math.round(x), Math.round(y), width, height] as const,
  )
  return Array.from({ length: flat.length / 4 }, (_, i) => [flat[4 * i] ?? 0, flat[4 * i + 1] ?? 0, flat[4 * i + 2] ?? 0])
}

interface Fit {
  scale: number
  x: (column: number) => number
  y: (row: number) => number
  width: number
  height: number
}

/** Where voxels of the fitted picture lie on the screen. */
async function fit(at: Locator): Promise<Fit> {
  const { width, height } = (await at.locator('canvas').first().evaluate((c) => ({ width: (c as HTMLCanvasElement).width, height: (c as HTMLCanvasElement).height })))
  const scale = Math.min(width / (COLUMNS * COLUMN_MM), height / (ROWS * ROW_MM))
  return {
    scale,
    width,
    height,
    x: (column) => width / 2 + (column - (COLUMNS - 1) / 2) * COLUMN_MM * scale,
    y: (row) => height / 2 + (row - (ROWS - 1) / 2) * ROW_MM * scale,
  }
}

async function slice(page: Page, id: string, index: number): Promise<void> {
  const at = tile(page, id)
  await page.keyboard.press('Home')
  await at.and(page.locator('[data-slice="0"]')).waitFor(WAIT)
  for (let i = 1; i <= index; i += 1) {
    await page.keyboard.press('ArrowDown')
    await at.and(page.locator(`[data-slice="${i}"]`)).waitFor(WAIT)
  }
  await page.waitForTimeout(400)
}

function grey(value: number): number {
  const y = ((value - (CENTRE - 0.5)) / (WIDTH - 1) + 0.5) * 255
  return Math.max(0, Math.min(255, y))
}

async function greys(page: Page): Promise<void> {
  const at = await ready(page, 'stack-0')
  await slice(page, 'stack-0', 2)
  const where = await fit(at)
  for (const [i, value] of BLOCKS.entries()) {
    const [found] = await pixels(at, where.x(12 + 18 * i), where.y(30), 1, 1)
    for (const channel of found ?? []) assert.ok(Math.abs(channel - grey(value)) <= 2, `grey of ${value}: ${channel}, not ${grey(value)}`)
  }
}

const EDGE = grey((900 - 1000) / 2) // half way between the rod and the air around it

/** Where the longest bright run of a line begins and ends. */
function ends(line: Rgb[]): [number, number] {
  let best: [number, number] = [0, 0]
  let start = -1
  for (const [i, p] of [...line, [0, 0, 0] as Rgb].entries()) {
    if (p[0] > EDGE && start < 0) start = i
    if (p[0] > EDGE || start < 0) continue
    if (i - start > best[1] - best[0]) best = [start, i]
    start = -1
  }
  return best
}

export async function draw(page: Page, at: Locator, from: [number, number], to: [number, number]): Promise<void> {
  const box = await at.locator('canvas').first().boundingBox()
  assert.ok(box)
  await page.mouse.move(box.x + from[0], box.y + from[1])
  await page.mouse.down()
  await page.waitForTimeout(150)
  for (const part of [0.3, 0.7, 1]) {
    await page.mouse.move(box.x + from[0] + (to[0] - from[0]) * part, box.y + from[1] + (to[1] - from[1]) * part)
    await page.waitForTimeout(80)
  }
  await page.mouse.up()
  await page.waitForTimeout(400)
}

async function lengths(page: Page): Promise<number[]> {
  await page.locator('[data-tab=measured]').click()
  const rows = await page.locator('[data-measured=length] .hv-num').allTextContents()
  return rows.map((text) => Number.parseFloat(text))
}

function rod(found: number | undefined, what: string): void {
  assert.ok(found !== undefined && Math.abs(found - 20) < 0.3001, `${what}: ${String(found)} mm, not 20.0`)
}

async function rods(page: Page): Promise<void> {
  const at = await ready(page, 'stack-0')
  await slice(page, 'stack-0', 6)
  const where = await fit(at)
  const [left, right] = ends(await pixels(at, 0, where.y(19.5), where.width, 1))
  const x = Math.round(where.x(73.5))
  const [top, bottom] = ends(await pixels(at, x, 0, 1, where.height))
  await page.keyboard.press('l')
  await draw(page, at, [left, where.y(19.5)], [right, where.y(19.5)])
  await draw(page, at, [x, top], [x, bottom])
  await page.waitForFunction(() => document.querySelectorAll('[data-tab=measured]')[0]?.textContent?.includes('2'))
  const [along, down] = await lengths(page)
  rod(along, 'rod along the rows')
  rod(down, 'rod along the columns')
  await shot(page, 'viewer-rods')
}

async function saved(page: Page): Promise<void> {
  const before = await lengths(page)
  await page.keyboard.press('Control+s')
  await page.locator('[data-notice="save.done"]').waitFor(WAIT)
  await page.reload()
  await ready(page, 'stack-0')
  await page.locator('[data-tab=measured]').click()
  await page.locator('[data-measured=length]').nth(1).waitFor(WAIT)
  await slice(page, 'stack-0', 6) // lengths are computed anew when they are drawn
  await page.waitForFunction(() => document.querySelectorAll('[data-measured=length] .hv-num').length === 2 && [...document.querySelectorAll('[data-measured=length] .hv-num')].every((e) => e.textContent?.includes('mm')))
  assert.deepEqual(await lengths(page), before, 'measurements come back')
  await shot(page, 'viewer-reloaded')
}

async function sides(page: Page, id: string, wanted: Record<string, string>, what: string): Promise<void> {
  for (const [at, letter] of Object.entries(wanted)) {
    const found = tile(page, id).locator(`[data-side=${at}]`)
    await found.filter({ hasText: new RegExp(`^${letter}$`) }).waitFor({ timeout: 20_000 }).catch(async () => {
      assert.fail(`${what}, ${at}: ${String(await found.textContent())}, not ${letter}`)
    })
  }
}

const AXIAL = { left: 'R', right: 'L', top: 'A', bottom: 'P' }
const SAGITTAL = { left: 'A', right: 'P', top: 'H', bottom: 'F' }
const CORONAL = { left: 'R', right: 'L', top: 'H', bottom: 'F' }

async function orientation(page: Page): Promise<void> {
  await sides(page, 'stack-0', AXIAL, 'axial')
  await page.keyboard.press('x')
  await sides(page, 'stack-0', { ...AXIAL, left: 'L', right: 'R' }, 'axial turned left-right')
  await page.keyboard.press('x')
  const others: [number, Record<string, string>, string][] = [
    [1, SAGITTAL, 'sagittal'],
    [2, CORONAL, 'coronal'],
    [3, { ...AXIAL, left: 'L', right: 'R' }, 'flipped input'],
  ]
  for (const [index, wanted, what] of others) {
    await page.locator('[data-series]').nth(index).click()
    await sides(page, 'stack-0', wanted, what)
  }
  await page.locator('[data-series]').nth(0).click()
  await sides(page, 'stack-0', AXIAL, 'axial again')
  await ready(page, 'stack-0')
}

const coloured = ([r, g, b]: Rgb) => Math.max(r, g, b) - Math.min(r, g, b) > 25

async function overlay(page: Page): Promise<void> {
  const at = await ready(page, 'stack-0')
  await slice(page, 'stack-0', 12)
  const where = await fit(at)
  const colour = async () => coloured((await pixels(at, where.x(47.5), where.y(29.5), 1, 1))[0] ?? [0, 0, 0])
  assert.equal(await colour(), false, 'no overlay at first')
  await page.locator('[data-tab=overlays]').click()
  const box = page.locator('[data-overlay] input[type=checkbox]').first()
  await box.click()
  await page.locator('[data-overlay][data-state=shown]').waitFor(WAIT)
  await page.waitForTimeout(800)
  await shot(page, 'viewer-overlay')
  assert.equal(await colour(), true, 'the overlay is shown')
  await box.click()
  await page.waitForTimeout(800)
  assert.equal(await colour(), false, 'the overlay is gone, nothing is burnt in')
}

async function planes(page: Page): Promise<void> {
  await page.keyboard.press('F4')
  const at = await ready(page, 'mpr-coronal')
  await page.waitForTimeout(2500)
  await sides(page, 'mpr-axial', AXIAL, 'axial plane')
  await sides(page, 'mpr-sagittal', SAGITTAL, 'sagittal plane')
  await sides(page, 'mpr-coronal', CORONAL, 'coronal plane')
  await shot(page, 'viewer-planes')
  const { width, height } = await at.locator('canvas').first().evaluate((c) => ({ width: (c as HTMLCanvasElement).width, height: (c as HTMLCanvasElement).height }))
  const x = Math.round(width / 2)
  const [top, bottom] = ends(await pixels(at, x, 0, 1, height))
  await page.keyboard.press('l')
  await draw(page, at, [x + 6, top], [x + 6, bottom])
  await page.locator('[data-tab=measured]').click()
  await page.locator('[data-measured=length]').nth(2).waitFor(WAIT)
  rod((await lengths(page))[2], 'rod across the slices')
  await shot(page, 'viewer-planes-measured')
  await page.keyboard.press('Control+z')
  await page.keyboard.press('F1')
  await ready(page, 'stack-0')
}

async function help(page: Page): Promise<void> {
  await page.locator('[data-tool=help]').click()
  await page.getByRole('dialog').waitFor()
  await shot(page, 'viewer-keys')
  await leave(page, '[role=dialog]')
}

const journey: Journey = async (open) => {
  assert.equal(SLICES, 24)
  const { page } = await open('zh-CN')
  await signIn(page, DOCTOR)
  const started = Date.now()
  await page.goto(`${SERVER}/viewer/${STUDY}`)
  await ready(page, 'stack-0')
  const own = await page.evaluate(() => performance.getEntriesByName('hv-first-image')[0]?.duration)
  console.log(`first image ${Math.round(own ?? -1)} ms after the study was asked for; ${Date.now() - started} ms with the page`)
  await greys(page)
  await rods(page)
  await saved(page)
  await orientation(page)
  await overlay(page)
  await planes(page)
  await help(page)
  // the viewer asks before measurements are lost: leave nothing unsaved
  page.on('dialog', (dialog) => void dialog.accept())
}

export default journey
