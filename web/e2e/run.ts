// SPDX-License-Identifier: Apache-2.0
// node e2e/run.ts <journey> [...]: runs journeys against HV_E2E_SERVER; exit code 1 when one fails.
import { end, newVisit, type Visit } from './browser.ts'

export type Journey = (open: typeof newVisit) => Promise<void>

const visits: Visit[] = []

async function open(...wish: Parameters<typeof newVisit>): Promise<Visit> {
  const made = await newVisit(...wish)
  visits.push(made)
  return made
}

/** What the page showed when a journey failed: without a picture it is all there is to go by. */
async function seen(made: Visit): Promise<string> {
  const text = await made.page.locator('body').ariaSnapshot({ timeout: 10_000 }).catch((e: unknown) => String(e))
  return `${made.page.url()}\n${text.slice(0, 4000)}`
}

async function tell(name: string, error: unknown): Promise<void> {
  console.error(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  const folder = process.env.HV_E2E_SHOTS
  for (const [at, made] of visits.entries()) {
    console.error(made.troubles.slice(0, 10))
    if (!made.page.isClosed()) console.error(await seen(made))
    if (folder && !made.page.isClosed()) await made.page.screenshot({ path: `${folder}/${name}-failed-${at}.png` })
  }
}

let failed = 0
for (const name of process.argv.slice(2)) {
  try {
    const { default: journey } = (await import(`./${name}.ts`)) as { default: Journey }
    await journey(open)
    const troubles = visits.flatMap((v) => v.troubles)
    if (troubles.length > 0) throw new Error(`the console is not clean:\n${troubles.slice(0, 10).join('\n')}`)
    console.log(`${name}: good`)
  } catch (error) {
    failed += 1
    await tell(name, error)
  }
  for (const made of visits.splice(0)) await made.close()
}
await end()
process.exit(failed > 0 ? 1 : 0)
