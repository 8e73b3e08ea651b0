// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { noteServerDate, serverNow } from './clock'
import { clearCalls, useRecorder } from './recorder'
import { useReachable } from './reachable'
import { onExpired, setCsrf, transport } from './transport'

const at = 'http://localhost:3000'
const server = vi.fn<typeof fetch>()

function sent(n: number): Request {
  return server.mock.calls[n]?.[0] as Request
}

beforeEach(() => {
  server.mockReset()
  vi.stubGlobal('fetch', server)
  clearCalls()
})

afterEach(() => {
  onExpired(undefined)
  setCsrf('')
  useReachable.setState({ reachable: true })
})

describe('transport', () => {
  it('sends the page token with changes only', async () => {
    server.mockResolvedValue(new Response('{}'))
    setCsrf('abc')
    await transport(`${at}/v1/me`)
    await transport(`${at}/v1/teams`, { method: 'POST', body: '{}' })
    expect([sent(0).headers.get('x-csrf-token'), sent(1).headers.get('x-csrf-token')]).toEqual([null, 'abc'])
  })

  it('waits for a new sign-in and repeats the call with the new token and the same body', async () => {
    server.mockResolvedValueOnce(new Response('', { status: 401 })).mockResolvedValueOnce(new Response('{"a":1}'))
    setCsrf('old')
    onExpired(async () => {
      setCsrf('new')
    })
    const answer = await transport(`${at}/v1/teams`, { method: 'POST', body: '{"name":"x"}' })
    expect(await answer.json()).toEqual({ a: 1 })
    expect(sent(1).headers.get('x-csrf-token')).toBe('new')
    expect(await sent(1).text()).toBe('{"name":"x"}')
  })

  it('tells a lost network and its return', async () => {
    server.mockRejectedValueOnce(new TypeError('network'))
    await expect(transport(`${at}/v1/me`)).rejects.toThrow('network')
    expect(useReachable.getState().reachable).toBe(false)
    server.mockResolvedValue(new Response('{}'))
    await transport(`${at}/v1/me`)
    expect(useReachable.getState().reachable).toBe(true)
  })

  it('does not believe an answer that was on the way when the network went', async () => {
    let arrive: (late: Response) => void = () => undefined
    server.mockReturnValueOnce(new Promise((resolve) => (arrive = resolve))).mockRejectedValueOnce(new TypeError('network'))
    const early = transport(`${at}/v1/me`)
    await expect(transport(`${at}/v1/teams`)).rejects.toThrow('network')
    arrive(new Response('{}'))
    await early
    expect(useReachable.getState().reachable).toBe(false)
  })

  it('notes calls once, and never the sign-in', async () => {
    server.mockResolvedValue(new Response('{}'))
    await transport(`${at}/v1/me`)
    await transport(`${at}/v1/me`)
    await transport(`${at}/ui/session`, { method: 'POST', body: '{"password":"secret"}' })
    expect(useRecorder.getState().calls.map((c) => c.path)).toEqual(['/v1/me'])
  })
})

describe('serverNow', () => {
  it('follows the Date header, not the clock of this machine', () => {
    const hour = 3_600_000
    noteServerDate(new Date(Date.now() + hour).toUTCString())
    expect(Math.abs(serverNow() - Date.now() - hour)).toBeLessThan(2000)
    noteServerDate(new Date().toUTCString())
    expect(Math.abs(serverNow() - Date.now())).toBeLessThan(2000)
  })
})
