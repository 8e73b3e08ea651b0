// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, it } from 'vitest'
import { anew } from './chunks'

afterEach(() => {
  document.head.replaceChildren()
})

describe('anew', () => {
  it('tries again what failed, with the style sheets that did not arrive', async () => {
    const lost = document.createElement('link')
    lost.rel = 'stylesheet'
    lost.href = '/assets/screen.css'
    document.head.append(lost)
    let tries = 0
    const load = anew(() => ((tries += 1) === 1 ? Promise.reject(new Error('lost')) : Promise.resolve('screen')))
    await expect(load()).rejects.toThrow('lost')
    expect(document.querySelector('link')).toBe(lost)
    const second = load()
    const next = document.querySelector('link')
    expect(next).not.toBe(lost)
    expect(next?.getAttribute('href')).toContain('/assets/screen.css')
    next?.dispatchEvent(new Event('load'))
    expect(await second).toBe('screen')
    expect(await load()).toBe('screen')
    expect(tries).toBe(3)
  })

  it('fails as long as a style sheet does not arrive', async () => {
    document.head.innerHTML = '<link rel="stylesheet" href="/assets/screen.css">'
    let tries = 0
    const load = anew(() => ((tries += 1) === 1 ? Promise.reject(new Error('lost')) : Promise.resolve('screen')))
    await expect(load()).rejects.toThrow('lost')
    const second = load()
    document.querySelector('link')?.dispatchEvent(new Event('error'))
    await expect(second).rejects.toThrow('style sheet not loaded')
    expect(tries).toBe(1)
  })
})
