// SPDX-License-Identifier: Apache-2.0
// The picture of the first image (tests/web/ahead.py) before the viewer's code is there: nothing is asked before
// the study is opened, it is the image the viewer shows first with the same greys at the same place, and it
// stands until the image is drawn; without it, and after code that was lost once, the viewer opens all the same.
import assert from 'node:assert/strict'
import type { Locator, Page } from 'playwright-core'
import { DOCTOR, expected, SERVER, shot, signIn } from './browser.ts'
import type { Journey } from './run.ts'
import { pixels, ready, tile, WAIT } from './viewer.ts'

const list = (name: string) => (process.env[name] ?? '').split(',').map(Number)
const [ROWS = 0, COLUMNS = 0] = list('HV_E2E_SHAPE')
const [ROW_MM = 1, COLUMN_MM = 1] = list('HV_E2E_SPACING')
const [CENTRE = 0, WIDTH = 1] = list('HV_E2E_WINDOW')
const BLOCKS = list('HV_E2E_BLOCKS')
const FIRST = process.env.HV_E2E_FIRST ?? ''
const ROW = 30 // through the middle of the blocks
const CODE = '**/assets/viewer-*.js'
const START = '**/assets/start-*.js'
const PICTURE = /\/rendered\?/

interface Box {
  left: number
  top: number
  width: number
  height: number
}

const middle = (block: number) => 11.5 + 18 * block
const grey = (value: number) => Math.max(0, Math.min(255, ((value - (CENTRE - 0.5)) / (WIDTH - 1) + 0.5) * 255))

/** Where the picture is on the screen, and its greys at the middle of the blocks. */
async function seen(page: Page): Promise<{ box: Box; greys: number[] }> {
  return page.locator('.hv-first img').evaluate(
    (element, [row, columns]) => {
      const image = element as HTMLImageElement
      const copy = document.createElement('canvas')
      copy.width = image.naturalWidth
      copy.height = image.naturalHeight
      const context = copy.getContext('2d', { willReadFrequently: true }) as CanvasRenderingContext2D
      context.drawImage(image, 0, 0)
      const greys = columns.map((x) => context.getImageData(x, row, 1, 1).data[0] ?? -1)
      copy.remove()
      const { left, top, width, height } = image.getBoundingClientRect()
      return { box: { left, top, width, height }, greys }
    },
    [ROW, BLOCKS.map((_, i) => Math.floor(middle(i)))] as const,
  )
}

/** From now on note for each frame what stands at the place of the image. */
async function watch(page: Page): Promise<void> {
  await page.evaluate(() => {
    const told: string[] = []
    ;(window as unknown as { told: string[] }).told = told
    const look = () => {
      const image = document.querySelector('.hv-first img')
      const drawn = performance.getEntriesByName('hv-drawn').length > 0
      const { left = 0, top = 0, width = 0 } = image?.getBoundingClientRect() ?? {}
      const now = image ? `picture ${[left, top, width].map((v) => Math.round(v * 10) / 10).join(' ')}` : drawn ? 'canvas' : 'nothing'
      if (told.at(-1) !== now) told.push(now)
      requestAnimationFrame(look)
    }
    look()
  })
}

/** From the first look on the picture stood at one place, and the canvas followed it at once. */
async function steady(page: Page): Promise<void> {
  await page.waitForFunction(() => (window as unknown as { told: string[] }).told.at(-1) === 'canvas', undefined, WAIT)
  const told = await page.evaluate(() => (window as unknown as { told: string[] }).told)
  assert.deepEqual([told.length, told[0]?.split(' ')[0], told[1]], [2, 'picture', 'canvas'], `no gap and no jump: ${told.join(', ')}`)
}

/** Where a line from dark to bright and back crosses half its height, in pixels. */
function crossings(line: number[]): number[] {
  const half = (Math.min(...line) + Math.max(...line)) / 2
  return line.flatMap((v, i) => (i > 0 && v > half !== (line[i - 1] ?? 0) > half ? [i] : []))
}

/** The same of the canvas: greys at the middle of the blocks, and the edges of the last one on the screen. */
async function drawn(page: Page): Promise<{ greys: number[]; across: number[]; down: number[] }> {
  const at = tile(page, 'stack-0')
  const box = await at.locator('canvas').first().boundingBox()
  assert.ok(box)
  const { width, height } = box
  const scale = Math.min(width / (COLUMNS * COLUMN_MM), height / (ROWS * ROW_MM))
  const x = (column: number) => Math.round(width / 2 + (column - (COLUMNS - 1) / 2) * COLUMN_MM * scale)
  const y = (row: number) => Math.round(height / 2 + (row - (ROWS - 1) / 2) * ROW_MM * scale)
  const line = async (left: number, top: number, right: number, bottom: number) =>
    (await pixels(at, left, top, Math.max(1, right - left), Math.max(1, bottom - top))).map(([r]) => r)
  const row = await line(0, y(ROW), Math.floor(width), y(ROW))
  const [from, to] = [x(74), x(94)]
  const [top, bottom] = [y(10), y(50)]
  const column = await line(x(middle(4)), top, x(middle(4)), bottom)
  return {
    greys: BLOCKS.map((_, i) => row[x(middle(i))] ?? -1),
    across: crossings(row.slice(from, to)).map((i) => box.x + from + i),
    down: crossings(column).map((i) => box.y + top + i),
  }
}

/** A visit at the list of studies with the study of this journey, its calls noted. */
async function listed(open: Parameters<Journey>[0], code: (page: Page) => Promise<unknown>) {
  const visit = await open('zh-CN')
  const asked: string[] = []
  visit.page.on('request', (request) => asked.push(new URL(request.url()).pathname))
  await code(visit.page)
  await signIn(visit.page, DOCTOR, '/?text=P-ahead')
  const link = visit.page.locator('.hv-open').first()
  await link.waitFor(WAIT)
  return { ...visit, asked, link }
}

async function same(open: Parameters<Journey>[0]): Promise<void> {
  let release: () => void = () => undefined
  const held = new Promise<void>((resolve) => { release = resolve })
  const { page, asked, link } = await listed(open, (p) =>
    p.route(CODE, async (route) => {
      await held
      await route.fallback()
    }),
  )
  await link.hover()
  for (const end = Date.now() + WAIT.timeout; !asked.some((path) => path.startsWith('/assets/viewer-')); await page.waitForTimeout(100)) {
    assert.ok(Date.now() < end, 'the code is asked for when the pointer is on the list')
  }
  const early = asked.filter((path) => path.startsWith('/dicomweb/') || path.startsWith('/v1/studies'))
  assert.deepEqual(early, [], 'nothing of a study is asked before it is opened')
  await link.click()
  await page.locator('.hv-first img').waitFor(WAIT)
  assert.equal(await page.locator('canvas').count(), 0, 'the viewer is not there yet')
  assert.equal(await page.locator('.hv-first').getAttribute('data-first'), FIRST)
  await watch(page)
  const ahead = await seen(page)
  await shot(page, 'ahead-picture')
  release()
  await ready(page, 'stack-0')
  await page.locator('[data-tile="stack-0"][data-slice="0"]').waitFor(WAIT)
  await page.waitForFunction(() => performance.getEntriesByName('hv-drawn').length > 0, undefined, WAIT)
  await page.locator('.hv-first').waitFor({ state: 'detached', ...WAIT })
  await shot(page, 'ahead-canvas')
  await steady(page)
  await compared(page, ahead)
}

/** An interface that does not arrive: the page says so in place of the picture, and can be loaded anew. */
async function unstarted(page: Page, address: string): Promise<Locator> {
  await page.route(START, (route) => route.abort('connectionreset'))
  await page.goto(`${SERVER}${address}`, { waitUntil: 'commit' })
  const again = page.locator('[role=alert]').getByRole('button', { name: '重新加载', exact: true })
  await again.waitFor(WAIT)
  assert.equal(await page.locator('.hv-first').count(), 0, 'no picture over what the page says')
  await shot(page, 'ahead-unstarted')
  await page.unroute(START)
  return again
}

/** By its address the picture stands before the interface has started, and stays where it is until the canvas. */
async function addressed(open: Parameters<Journey>[0]): Promise<void> {
  const visit = await listed(open, () => Promise.resolve())
  const { page, asked, link } = visit
  const again = await unstarted(page, (await link.getAttribute('href')) ?? '')
  let release: () => void = () => undefined
  const held = new Promise<void>((resolve) => { release = resolve })
  await page.route(START, async (route) => {
    await held
    await route.fallback()
  })
  asked.length = 0
  await again.click({ noWaitAfter: true })
  await page.locator('.hv-first img').waitFor(WAIT)
  assert.equal(await page.locator('.hv-bar, canvas').count(), 0, 'the interface has not started')
  assert.equal(await page.locator('.hv-first').getAttribute('data-first'), FIRST)
  await watch(page)
  const ahead = await seen(page)
  await shot(page, 'ahead-address')
  release()
  await ready(page, 'stack-0')
  await page.waitForFunction(() => performance.getEntriesByName('hv-drawn').length > 0, undefined, WAIT)
  await page.locator('.hv-first').waitFor({ state: 'detached', ...WAIT })
  await steady(page)
  await compared(page, ahead)
  for (const once of ['/ui/session', /\/dicomweb\/.*\/series$/, /\/v1\/studies\/[^/]+$/]) {
    const times = asked.filter((path) => (typeof once === 'string' ? path === once : once.test(path))).length
    assert.equal(times, 1, `asked once: ${String(once)}`)
  }
  expected(visit, /ERR_CONNECTION_RESET|Failed to fetch dynamically|modulepreload|preload/)
}

async function compared(page: Page, ahead: { box: Box; greys: number[] }): Promise<void> {
  const canvas = await drawn(page)
  for (const [i, value] of BLOCKS.entries()) {
    const [before = -1, after = -1] = [ahead.greys[i], canvas.greys[i]]
    assert.ok(Math.abs(before - after) <= 1 && Math.abs(before - grey(value)) <= 1, `grey of ${value}: ${before}, then ${after}`)
  }
  const { left, top, width, height } = ahead.box
  const edges = {
    across: [78, 90].map((column) => left + (column * width) / COLUMNS),
    down: [20, 40].map((row) => top + (row * height) / ROWS),
  }
  for (const way of ['across', 'down'] as const) {
    assert.equal(canvas[way].length, 2, `one block ${way}: ${canvas[way].join(' ')}`)
    for (const [i, at] of edges[way].entries()) assert.ok(Math.abs((canvas[way][i] ?? -1) - at) <= 1, `edge ${way}: ${at}, then ${String(canvas[way][i])}`)
  }
}

/** A picture that cannot be had, and code that is lost on its way once: neither needs the page anew. */
async function without(open: Parameters<Journey>[0]): Promise<void> {
  let lost = true
  const visit = await listed(open, async (p) => {
    await p.route(PICTURE, (route) => route.fulfill({ status: 406, body: '' }))
    await p.route(/assets\/(viewer|models)-/, (route) => (lost ? route.abort('connectionreset') : route.fallback()))
  })
  const { page, link } = visit
  const models = page.locator('.hv-menu a[href="/models"]')
  await page.evaluate(() => { document.body.dataset.same = 'page' })
  await link.click()
  await page.locator('main .ant-alert').waitFor(WAIT)
  await models.click()
  await page.locator('main .ant-result').waitFor(WAIT)
  lost = false
  await page.locator('.hv-menu a[href="/"]').click()
  await link.waitFor(WAIT)
  await link.click()
  await ready(page, 'stack-0')
  assert.equal(await page.locator('.hv-first').count(), 0)
  assert.equal(await page.evaluate(() => document.body.dataset.same), 'page', 'the page was not loaded anew')
  await page.waitForFunction(() => [...document.styleSheets].some((sheet) => sheet.href?.includes('/viewer-')))
  await models.click()
  await page.locator('main h1').waitFor(WAIT)
  expected(visit, /406|ERR_CONNECTION_RESET|Failed to fetch dynamically|modulepreload|preload/)
}

const journey: Journey = async (open) => {
  await same(open)
  await addressed(open)
  await without(open)
}

export default journey
