// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { PreferencesPatch, PreferencesRead } from './generated'
import { applied, changePreferences, closePreferences, joined, openPreferences, usePreferences } from './preferences'

const server = vi.hoisted(() => ({ change: vi.fn(), read: vi.fn() }))
vi.mock('./generated', () => ({ changeMyPreferences: server.change, getMyPreferences: server.read }))

const BARE: PreferencesRead = { language: null, keys: {}, layouts: {}, windows: {}, opacity: null }
let stored: PreferencesRead
const bodies = () => server.change.mock.calls.map(([call]) => (call as { body: PreferencesPatch }).body)

beforeEach(() => {
  localStorage.clear()
  closePreferences()
  stored = BARE
  server.read.mockReset().mockImplementation(() => Promise.resolve({ data: stored }))
  server.change.mockReset().mockImplementation(({ body }: { body: PreferencesPatch }) => {
    stored = applied(stored, body)
    return Promise.resolve({ data: stored })
  })
})

describe('preferences', () => {
  it('come from the server, whatever this browser kept', async () => {
    stored = { ...BARE, keys: { length: 'm' } }
    await openPreferences('li')
    expect(usePreferences.getState().known.keys).toEqual({ length: 'm' })
    stored = { ...BARE, keys: { angle: 'n' } }
    await openPreferences('li')
    expect(usePreferences.getState().known.keys).toEqual({ angle: 'n' })
  })
  it('changed without network are shown, kept over a reload, and sent later; others stay', async () => {
    await openPreferences('li')
    server.change.mockRejectedValueOnce(new TypeError('no network'))
    changePreferences({ keys: { length: 'm' } })
    await vi.waitFor(() => { expect(server.change).toHaveBeenCalledTimes(1) })
    await vi.waitFor(() => { expect(usePreferences.getState().pending).toHaveLength(1) })
    closePreferences() // the page is loaded again; meanwhile another browser changed something
    stored = { ...BARE, opacity: 0.5 }
    await openPreferences('li')
    expect(usePreferences.getState()).toMatchObject({ known: { keys: { length: 'm' }, opacity: 0.5 }, pending: [] })
  })
  it('that the server refuses are not sent again and again', async () => {
    await openPreferences('li')
    server.change.mockRejectedValueOnce({ status: 422 })
    changePreferences({ opacity: 3 })
    await vi.waitFor(() => { expect(server.change).toHaveBeenCalledTimes(1) })
    expect(usePreferences.getState().pending).toEqual([])
  })
  it('of one person are not shown to the next', async () => {
    await openPreferences('li')
    changePreferences({ opacity: 0.9 })
    closePreferences()
    stored = BARE
    await openPreferences('wang')
    expect(usePreferences.getState().known).toEqual(BARE)
  })
  it('go in one call, and the reset of a group comes before what is set after it', () => {
    expect(joined([{ keys: { length: 'a' } }], { keys: { length: 'b', pan: 'c' }, opacity: 1 })).toEqual([{ keys: { length: 'b', pan: 'c' }, opacity: 1 }])
    expect(joined([{ keys: null }], { keys: { pan: 'c' } })).toEqual([{ keys: null }, { keys: { pan: 'c' } }])
  })
  it('open with what was chosen before the sign-in', async () => {
    stored = { ...BARE, language: 'zh' }
    await openPreferences('li', { language: 'en' })
    expect([bodies(), usePreferences.getState().known.language]).toEqual([[{ language: 'en' }], 'en'])
  })
})
