// SPDX-License-Identifier: Apache-2.0
// A parametric map over its images (tests/web/maps.py): off at first, coloured by its numbers, with a
// legend and its unit, as opaque as wanted, gone again; the image under it is never changed.
import assert from 'node:assert/strict'
import type { Locator, Page } from 'playwright-core'
import { DOCTOR, SERVER, shot, signIn } from './browser.ts'
import type { Journey } from './run.ts'
import { pixels, ready, WAIT } from './viewer.ts'

const STUDY = process.env.HV_E2E_STUDY ?? ''

/** Colours at the left, the right and in the top rows of the fitted picture. */
async function look(at: Locator): Promise<[number, number, number][]> {
  const { width, height } = await at.locator('canvas').first().evaluate((c) => ({ width: (c as HTMLCanvasElement).width, height: (c as HTMLCanvasElement).height }))
  const size = Math.min(width, height)
  const places: [number, number][] = [[0.06, 0.7], [0.94, 0.7], [0.5, 0.1]]
  const found = await Promise.all(places.map(([x, y]) => pixels(at, width / 2 + (x - 0.5) * size, height / 2 + (y - 0.5) * size, 1, 1)))
  return found.map((line) => line[0] ?? [0, 0, 0])
}

const colourful = ([r, g, b]: [number, number, number]) => Math.max(r, g, b) - Math.min(r, g, b) > 15
const bright = ([r, g, b]: [number, number, number]) => r + g + b

async function until(at: Locator, good: (seen: [number, number, number][]) => boolean, what: string): Promise<[number, number, number][]> {
  let seen: [number, number, number][] = []
  for (const end = Date.now() + 60_000; Date.now() < end; await at.page().waitForTimeout(200)) {
    seen = await look(at)
    if (good(seen)) return seen
  }
  assert.fail(`${what}: ${JSON.stringify(seen)}`)
}

/** Shares of painted pixels at the left and the right of a line through a plane, and how bright they are. */
async function halves(at: Locator): Promise<{ share: number; light: number }[]> {
  const { width, height } = await at.locator('canvas').first().evaluate((c) => ({ width: (c as HTMLCanvasElement).width, height: (c as HTMLCanvasElement).height }))
  const line = await pixels(at, 0, Math.round(height * 0.55), width, 1)
  return [line.slice(0, width >> 1), line.slice(width >> 1)].map((half) => {
    const found = half.filter((p) => bright(p) > 90) // the images are black there, the darkest step of the map is not
    return { share: found.length / half.length, light: found.reduce((sum, p) => sum + bright(p), 0) / Math.max(1, found.length) }
  })
}

/** The map lies over the reformatted planes too: numbers rise to the right where x does. */
async function planes(page: Page): Promise<void> {
  await page.locator('[data-tool=mpr]').click()
  for (const [name, rises] of [['axial', true], ['coronal', true], ['sagittal', false]] as const) {
    const at = await ready(page, `mpr-${name}`)
    let seen: { share: number; light: number }[] = []
    for (const end = Date.now() + WAIT.timeout; Date.now() < end; await page.waitForTimeout(200)) {
      seen = await halves(at)
      if (seen.every(({ share }) => share > 0.1)) break
    }
    const [left, right] = seen
    assert.ok(left && right && left.share > 0.1 && right.share > 0.1, `the map in the ${name} plane: ${JSON.stringify(seen)}`)
    if (rises) assert.ok(right.light > left.light + 30, `greater numbers are brighter in the ${name} plane: ${JSON.stringify(seen)}`)
  }
  await shot(page, 'maps-planes')
  await page.locator('[data-tool=layout1]').click()
  await ready(page, 'stack-0')
}

const journey: Journey = async (open) => {
  const { page } = await open('zh-CN')
  await signIn(page, DOCTOR)
  await page.goto(`${SERVER}/viewer/${STUDY}`)
  const at = await ready(page, 'stack-0')
  assert.equal(await page.locator('[data-series]').count(), 1, 'the map is no series of images')
  const plain = await look(at)
  assert.ok(!plain.some(colourful), 'nothing is coloured at first')
  await page.locator('[data-tab=overlays]').click()
  const box = page.locator('[data-overlay] input[type=checkbox]').first()
  await box.click()
  await page.locator('[data-overlay][data-state=shown]').waitFor(WAIT)
  const faint = await until(at, ([left, right]) => Boolean(left && right && colourful(left) && colourful(right)), 'the map is shown')
  assert.ok(!colourful(faint[2] ?? [0, 0, 0]), 'where there is no number nothing is shown')
  const words = await page.locator('[data-legend]').textContent()
  assert.match(words ?? '', /Diffusion \(mm2\/s\).*0\.5.*2\.05.*3\.6/, 'the legend says what, in which unit, from where to where')
  await page.locator('[data-overlay] input[type=range]').fill('1')
  const full = await until(at, ([, right]) => right !== undefined && bright(right) > bright(faint[1] ?? [0, 0, 0]) + 60, 'more opaque')
  assert.ok(bright(full[1] ?? [0, 0, 0]) > bright(full[0] ?? [0, 0, 0]), 'greater numbers are brighter')
  await shot(page, 'maps')
  await planes(page)
  await box.click()
  const after = await until(at, (seen) => !seen.some(colourful), 'the map is gone')
  assert.deepEqual(after, plain, 'nothing is burnt in')
}

export default journey
