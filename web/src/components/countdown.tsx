// SPDX-License-Identifier: Apache-2.0
// Time left to a deadline by the server's clock, ticking once a second for the whole page.
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { serverNow } from '../api/clock'
import { clock } from './text'
import './countdown.css'

const watchers = new Set<() => void>()
let timer = 0

function watch(tick: () => void): () => void {
  watchers.add(tick)
  if (watchers.size === 1) timer = window.setInterval(() => watchers.forEach((w) => w()), 1000)
  return () => {
    watchers.delete(tick)
    if (watchers.size === 0) window.clearInterval(timer)
  }
}

/** The server's time, anew every second. */
export function useNow(): number {
  const [now, setNow] = useState(serverNow)
  useEffect(() => watch(() => setNow(serverNow())), [])
  return now
}

export function Countdown({ to }: { to: string | null | undefined }) {
  const { t } = useTranslation()
  const now = useNow()
  if (!to) return <span className="hv-dim">—</span>
  const left = (Date.parse(to) - now) / 1000
  if (left < 0) return <span className="hv-late hv-num">{t('late', { time: clock(left) })}</span>
  return <span className={left < 60 ? 'hv-soon hv-num' : 'hv-num'}>{clock(left)}</span>
}
