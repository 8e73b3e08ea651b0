// SPDX-License-Identifier: Apache-2.0
// How long a study takes until its first image and until its three planes are there; no journey of the
// tests: scripts/bench_viewer.py runs it and writes what it prints. Nothing here fails for being slow.
import type { Page } from 'playwright-core'
import { DOCTOR, SERVER, signIn } from './browser.ts'
import type { Journey } from './run.ts'

const STUDY = process.env.HV_E2E_STUDY ?? ''
const ROUNDS = Number(process.env.HV_E2E_ROUNDS ?? '3')

type Steps = Record<string, number>

/** Do something in the page and wait for a tile; ms since then of every mark of the viewer. */
async function timed(page: Page, act: string, tile: string): Promise<Steps> {
  return page.evaluate(
    async ([what, wanted]) => {
      const from = performance.now()
      if (what === 'click') document.querySelector<HTMLElement>('.hv-open')?.click()
      if (what === 'planes') document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'F4', code: 'F4', bubbles: true }))
      const begun = what === 'load' ? 0 : from
      const frame = () => new Promise((resolve) => requestAnimationFrame(resolve))
      while (!document.querySelector(`[data-tile="${wanted}"][data-ready]`)) await frame()
      const steps: Record<string, number> = { shown: Math.round(performance.now() - begun) }
      const painted = await new Promise<PerformanceEntryList>((resolve) => {
        new PerformanceObserver((list, observer) => {
          resolve(list.getEntries())
          observer.disconnect()
        }).observe({ type: 'element', buffered: true })
        setTimeout(() => resolve([]), 500)
      })
      const picture = painted.find((entry) => entry.startTime >= begun)
      if (picture) steps.picture = Math.round(picture.startTime - begun) // startTime: when it was on the screen
      for (const mark of performance.getEntriesByType('mark')) {
        if (mark.name.startsWith('hv-') && mark.startTime >= begun) steps[mark.name.slice(3)] = Math.round(mark.startTime - begun)
      }
      const [page] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[]
      if (what === 'load' && page) steps['> page'] = Math.round(page.requestStart)
      if (what === 'load' && page) steps['< page'] = Math.round(page.responseEnd)
      for (const entry of performance.getEntriesByType('resource') as PerformanceResourceTiming[]) {
        const name = /\/(?:metadata|frames\/1$|rendered\?|series\?|instances\?)|\/v1\/studies\/[^/]+$|ui\/session$|assets\/(?:viewer|index|errors)-.*js$/.exec(entry.name)?.[0]
        if (name && entry.startTime >= begun && !(`> ${name}` in steps)) {
          steps[`> ${name}`] = Math.round(entry.startTime - begun)
          steps[`< ${name}`] = Math.round(entry.responseEnd - begun)
        }
      }
      return steps
    },
    [act, tile] as const,
  )
}

/** CPU seconds so far of the page's process and of the graphics process, where software GL draws. */
async function spent(page: Page): Promise<Steps> {
  const session = await page.context().browser()?.newBrowserCDPSession()
  const found = (await session?.send('SystemInfo.getProcessInfo')) as { processInfo: { type: string; cpuTime: number }[] } | undefined
  await session?.detach()
  const sum = (type: string) => (found?.processInfo ?? []).filter((p) => p.type === type).reduce((all, p) => all + p.cpuTime, 0)
  return { page: sum('renderer'), graphics: sum('GPU') }
}

/** The same until every image is there, which only the progress bar tells. */
async function whole(page: Page, tile: string): Promise<void> {
  await page.waitForFunction((wanted) => !document.querySelector(`[data-tile="${wanted}"] .hv-progress`), tile)
}

async function measured(page: Page, name: string, round: number, act: string, tile: string): Promise<void> {
  const before = await spent(page)
  const steps = await timed(page, act, tile)
  const after = await spent(page)
  const cpu = Object.fromEntries(Object.entries(after).map(([what, s]) => [what, Math.round(1000 * (s - (before[what] ?? 0)))]))
  tell(name, round, steps, cpu)
  await whole(page, tile)
}

function tell(name: string, round: number, steps: Steps, cpu: Steps): void {
  const sorted = Object.entries(steps).sort(([, a], [, b]) => a - b)
  console.log(JSON.stringify({ measured: name, round, ms: Object.fromEntries(sorted), cpu_ms: cpu }))
}

const journey: Journey = async (open) => {
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const pointed of [false, true]) {
      const { page, close } = await open('zh-CN')
      await signIn(page, DOCTOR, '/?text=P-speed')
      await page.locator('.hv-open').first().waitFor()
      if (pointed) {
        await page.locator('.hv-open').first().hover()
        await page.waitForFunction(() => performance.getEntriesByName('hv-prepared').length > 0)
      }
      await measured(page, pointed ? 'opened when the pointer was on the list before' : 'opened at once, nothing in the cache', round, 'click', 'stack-0')
      await measured(page, 'three planes', round, 'planes', 'mpr-coronal')
      await page.goto(`${SERVER}/viewer/${STUDY}`, { waitUntil: 'commit' }) // its start waits until the three planes are given back
      await measured(page, 'address opened over an open viewer, code in the cache', round, 'load', 'stack-0')
      await page.goto(`${SERVER}/models`)
      const tab = await page.context().newPage()
      await tab.goto(`${SERVER}/viewer/${STUDY}`, { waitUntil: 'commit' })
      await measured(tab, 'address opened in a new tab, code in the cache', round, 'load', 'stack-0')
      await close()
    }
  }
}

export default journey
