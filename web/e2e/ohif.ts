// SPDX-License-Identifier: Apache-2.0
// OHIF (its own build from npm) before our DICOMweb root: list, study, greys, segmentation, report.
// The truth of the study is in tests/web/rods.py.
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import { SERVER, shot } from './browser.ts'
import type { Journey } from './run.ts'

const STUDY = process.env.HV_E2E_STUDY ?? ''
const list = (name: string) => (process.env[name] ?? '').split(',').map(Number)
const [DEPTH_MM = 1, ROW_MM = 1, COLUMN_MM = 1] = list('HV_E2E_SPACING')
const BLOCKS = list('HV_E2E_BLOCKS')
const ROD_VOXELS = 8 * 6 * 10
const [CENTRE, WIDTH] = [40, 400]

interface Viewport {
  getImageIds: () => string[]
  setImageIdIndex: (index: number) => Promise<string>
  worldToCanvas: (world: number[]) => number[]
  getCanvas: () => HTMLCanvasElement
}

interface Ohif {
  cornerstone: {
    getRenderingEngines: () => { getViewports: () => Viewport[] }[]
    metaData: { get: (kind: string, image: string) => { imagePositionPatient: number[] } }
    cache: { getImage: (id: string) => { voxelManager: { getScalarData: () => ArrayLike<number> } } | undefined }
  }
  services: {
    segmentationService: {
      getSegmentations: () => { segments: Record<string, { label: string }>; representationData: { Labelmap: { imageIds: string[] } } }[]
    }
  }
}

function grey(value: number): number {
  const y = ((value - (CENTRE - 0.5)) / (WIDTH - 1) + 0.5) * 255
  return Math.max(0, Math.min(255, y))
}

/** Show the slice with the blocks and return the grey in the middle of each. */
async function blocks(page: Page): Promise<number[]> {
  return page.evaluate(
    async ({ count, z, y, step }) => {
      const { cornerstone } = window as unknown as Ohif
      const viewport = cornerstone.getRenderingEngines()[0]?.getViewports()[0]
      if (!viewport) return []
      const place = (id: string) => cornerstone.metaData.get('imagePlaneModule', id).imagePositionPatient[2] ?? -1
      await viewport.setImageIdIndex(viewport.getImageIds().findIndex((id) => Math.abs(place(id) - z) < 0.01))
      const one = viewport.getCanvas()
      const copy = document.createElement('canvas')
      copy.width = one.width
      copy.height = one.height
      const context = copy.getContext('2d', { willReadFrequently: true }) as CanvasRenderingContext2D
      context.drawImage(one, 0, 0)
      return Array.from({ length: count }, (_, i) => {
        const [x = 0, down = 0] = viewport.worldToCanvas([(12 + 18 * i) * step, y, z])
        return context.getImageData(Math.round(x * devicePixelRatio), Math.round(down * devicePixelRatio), 1, 1).data[0] ?? -1
      })
    },
    { count: BLOCKS.length, z: 2 * DEPTH_MM, y: 30 * ROW_MM, step: COLUMN_MM },
  )
}

async function greys(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const engines = (window as unknown as Partial<Ohif>).cornerstone?.getRenderingEngines() ?? []
    return (engines[0]?.getViewports()[0]?.getImageIds().length ?? 0) > 0
  })
  const good = (found: number[]) => found.length > 0 && found.every((g, i) => Math.abs(g - grey(BLOCKS[i] ?? 0)) <= 2)
  let found: number[] = []
  for (const end = Date.now() + 60_000; Date.now() < end && !good(found); await page.waitForTimeout(300)) found = await blocks(page)
  assert.ok(good(found), `greys: ${found.join(' ')}, not ${BLOCKS.map(grey).join(' ')}`)
}

/** The segmentation is drawn over its images: its name, and as many voxels as it has. */
async function segmentation(page: Page): Promise<void> {
  await page.getByText('Rod', { exact: true }).first().dblclick()
  const read = () =>
    page.evaluate(() => {
      const { cornerstone, services } = window as unknown as Ohif
      const [one] = services.segmentationService.getSegmentations()
      if (!one) return { labels: [], voxels: 0 }
      const counts = one.representationData.Labelmap.imageIds.map((id) => {
        const values = cornerstone.cache.getImage(id)?.voxelManager.getScalarData() ?? []
        return Array.from(values).filter((v) => v === 1).length
      })
      return { labels: Object.values(one.segments).map((s) => s.label), voxels: counts.reduce((sum, n) => sum + n, 0) }
    })
  let found = await read()
  for (const end = Date.now() + 60_000; Date.now() < end && found.voxels === 0; await page.waitForTimeout(300)) found = await read()
  assert.deepEqual(found, { labels: ['Rod'], voxels: ROD_VOXELS })
}

const journey: Journey = async (open) => {
  const { page, troubles } = await open('en')
  page.on('response', (r) => {
    if (r.status() >= 400) troubles.push(`${r.status()} ${r.url()}`)
  })
  page.on('requestfailed', (r) => {
    // a page that is left takes its open questions back
    if (r.failure()?.errorText !== 'net::ERR_ABORTED') troubles.push(`failed: ${r.url()} ${r.failure()?.errorText ?? ''}`)
  })
  await page.goto(SERVER)
  await page.getByText('测量体模').waitFor()
  await page.getByText('尺, 量').waitFor()
  await shot(page, 'ohif-list')
  await page.goto(`${SERVER}/viewer?StudyInstanceUIDs=${STUDY}`)
  await page.getByText('Skip all').click()
  await greys(page)
  await shot(page, 'ohif-greys')
  await segmentation(page)
  await page.waitForTimeout(500)
  await shot(page, 'ohif-segmentation')
}

export default journey
