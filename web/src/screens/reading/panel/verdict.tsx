// SPDX-License-Identifier: Apache-2.0
// Accept, reject, modify, take back; what other readers said stands beside.
import { CheckOutlined, CloseOutlined, EditOutlined, UndoOutlined } from '@ant-design/icons'
import { Button, Select, Tooltip } from 'antd'
import { useTranslation } from 'react-i18next'
import type { VerdictRead } from '../../../api/generated'
import { moment } from '../../../components/text'
import { READING_KEYS, type ReadingAction } from './keys'
import type { Place, ReasonCode } from './model'
import { REASONS } from './modify'
import { useClearing } from '../../../components/clearing'

export function Said({ verdict }: { verdict: VerdictRead }) {
  const { t } = useTranslation('reading')
  const why = [verdict.reason_code ? t(`reason.${verdict.reason_code}`) : '', verdict.reason].filter(Boolean).join(' · ')
  const changes = verdict.changes
  const parts = changes
    ? [changes.label, changes.region, ...(changes.categories ?? []).map((c) => c.value), ...(changes.measurements ?? []).map((m) => `${m.label || m.code} ${m.value}`), changes.description]
    : []
  return (
    <li className={`hv-said hv-said-${verdict.decision}`}>
      <b>{t(`decision.${verdict.decision}`)}</b>
      <span>{verdict.mine ? t('verdict.me') : verdict.reader_name}</span>
      <span className="hv-dim hv-num">{moment(verdict.created_at)}</span>
      {parts.some(Boolean) && <span>{parts.filter(Boolean).join(' · ')}</span>}
      {why && <span className="hv-dim">{why}</span>}
    </li>
  )
}

export function VerdictBar({ place, busy, may, act, because }: {
  place: Place
  busy: boolean
  may: boolean
  act: (action: ReadingAction) => void
  because: (reason: ReasonCode) => void
}) {
  const { t } = useTranslation('reading')
  const { mine, others } = place
  const clearing = useClearing()
  const button = (action: 'accept' | 'reject' | 'modify', icon: React.ReactNode) => (
    <Tooltip title={t(`verdict.${action}Key`, { key: READING_KEYS[action].toUpperCase() })}>
      <Button
        className={`hv-do hv-do-${action}`}
        type={mine?.decision === action ? 'primary' : 'default'}
        aria-pressed={mine?.decision === action}
        icon={icon}
        disabled={busy}
        onClick={() => { act(action) }}
      >
        {t(`decision.${action}`)}
        <kbd>{READING_KEYS[action].toUpperCase()}</kbd>
      </Button>
    </Tooltip>
  )
  return (
    <section className="hv-verdict" aria-label={t('verdict.title')}>
      {may && (
        <div className="hv-verdict-buttons">
          {button('accept', <CheckOutlined />)}
          {button('reject', <CloseOutlined />)}
          {button('modify', <EditOutlined />)}
          {mine && (
            <Tooltip title={t('verdict.undoKey', { key: READING_KEYS.undo.toUpperCase() })}>
              <Button type="text" icon={<UndoOutlined />} disabled={busy} aria-label={t('verdict.undo')} onClick={() => { act('undo') }} />
            </Tooltip>
          )}
        </div>
      )}
      {may && mine?.decision === 'reject' && (
        <Select<ReasonCode>
          className="hv-wide"
          allowClear={clearing}
          placeholder={t('reason.ask')}
          aria-label={t('reason.ask')}
          value={mine.reason_code || undefined}
          disabled={busy}
          onChange={(value?: ReasonCode) => { because(value ?? '') }}
          options={REASONS.map((value) => ({ value, label: t(`reason.${value}`) }))}
        />
      )}
      <ul className="hv-saids">
        {mine && <Said verdict={mine} />}
        {others.map((v) => (
          <Said key={v.id} verdict={v} />
        ))}
        {!mine && others.length === 0 && <li className="hv-unverified">{t('verdict.unverified')}</li>}
      </ul>
    </section>
  )
}
