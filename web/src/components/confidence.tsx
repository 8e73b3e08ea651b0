// SPDX-License-Identifier: Apache-2.0
// How sure the AI is: a computed number with its interval, or why there is none.
import { Tooltip } from 'antd'
import { useTranslation } from 'react-i18next'
import type { Confidence as Value, EvidenceLevel } from '../api/generated'
import { useText } from './text'
import './confidence.css'

function percent(value: number): string {
  return `${Math.round(value * 100)}%`
}

/** ``short``: the interval is in the tooltip only. */
export function Confidence({ confidence, level, short = false }: { confidence: Value; level?: EvidenceLevel; short?: boolean }) {
  const { t } = useTranslation()
  const text = useText()
  const { value, interval, reason_absent: reason, method } = confidence
  if (value === null || value === undefined) {
    return (
      <Tooltip title={reason ? text(reason) : t('confidence.none')}>
        <span className="hv-confidence hv-dim" tabIndex={0}>
          {t('confidence.none')}
          {level && <Evidence level={level} />}
        </span>
      </Tooltip>
    )
  }
  const range = interval ? `${percent(interval.low)}–${percent(interval.high)}` : ''
  const about = t('confidence.about', { method, range: range || '—' })
  return (
    <Tooltip title={about}>
      <span className="hv-confidence hv-num" tabIndex={0}>
        {percent(value)}
        {range && !short && <small>{range}</small>}
        {level && <Evidence level={level} />}
      </span>
    </Tooltip>
  )
}

/** How well the method is proven, E0 (formula) to E3 (external); a dash: nothing measured here. */
export function Evidence({ level }: { level: EvidenceLevel }) {
  const { t } = useTranslation()
  return (
    <Tooltip title={t(`evidence.${level}`)}>
      <span className="hv-evidence">{level === 'unmeasured' ? '–' : level}</span>
    </Tooltip>
  )
}
