// SPDX-License-Identifier: Apache-2.0
// The right side: the caller's panel first, then overlays, measurements and reports, priors.
import { annotation } from '@cornerstonejs/tools'
import { useState, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { drawAll } from '../actions'
import { jumpTo } from '../jumping'
import { shown } from '../measure/lines'
import type { Measured } from '../measure/model'
import type { Group, Report } from '../measure/reading'
import { saveMeasured } from '../measure/saving'
import { setOpacity, setSegmentVisible, setShown } from '../overlays/show'
import type { Segmentation } from '../overlays/model'
import { keepPrefs } from '../prefs'
import { useViewer } from '../store'

const UNITS: Record<string, string> = { "[hnsf'U]": 'HU', mm2: 'mm²', deg: '°', '1': '', '{pixels}': 'px', '{pixels}2': 'px²' }
const unitOf = (ucum: string) => UNITS[ucum] ?? ucum

function OverlayCard({ entry }: { entry: Segmentation }) {
  const { t } = useTranslation('viewer')
  const on = entry.state === 'shown'
  return (
    <article className="hv-card" data-overlay={entry.sopUid} data-state={entry.state}>
      <label className="hv-row">
        <input
          type="checkbox"
          checked={on}
          disabled={entry.state === 'loading' || entry.state === 'elsewhere'}
          onChange={(event) => {
            void setShown(entry.key, event.target.checked)
          }}
        />
        <b>{entry.description}</b>
        {entry.state !== 'shown' && entry.state !== 'known' && entry.state !== 'hidden' && <em>{t(`overlay.${entry.state}`)}</em>}
      </label>
      {on && (
        <label className="hv-row hv-dim">
          {t('overlay.opacity')}
          <input
            type="range"
            min={0}
            max={1}
            step={0.05}
            value={entry.opacity}
            onChange={(event) => {
              setOpacity(entry.key, Number(event.target.value))
              keepPrefs({ opacity: Number(event.target.value) })
            }}
          />
        </label>
      )}
      {on &&
        entry.segments.map((s) => (
          <label key={s.number} className="hv-row">
            <input
              type="checkbox"
              checked={s.visible}
              onChange={(event) => {
                setSegmentVisible(entry.key, s.number, event.target.checked)
              }}
            />
            <i className="hv-swatch" style={{ background: `rgb(${s.colour.join(' ')})` }} />
            <span>{s.label}</span>
          </label>
        ))}
    </article>
  )
}

function Overlays() {
  const { t } = useTranslation('viewer')
  const all = useViewer((s) => s.segmentations)
  if (all.length === 0) return <p className="hv-empty">{t('overlay.none')}</p>
  return all.map((entry) => <OverlayCard key={entry.key} entry={entry} />)
}

function MeasuredRow({ m }: { m: Measured }) {
  const { t } = useTranslation('viewer')
  const numbers = m.figures.filter((f) => f.name !== 'minimum' && f.name !== 'maximum')
  return (
    <li className="hv-row" data-measured={m.kind}>
      <button
        type="button"
        className="hv-link"
        onClick={() => {
          annotation.selection.setAnnotationSelected(m.id, true)
          jumpTo({ seriesUid: m.seriesUid, sopUid: m.sopUid || null, frame: m.frame, position: m.points[0] ?? null })
        }}
      >
        <b>{m.label || t(`tool.${m.kind}`)}</b>
        <span className="hv-num">
          {numbers.map((f) => `${f.name === 'deviation' ? '± ' : ''}${shown(f.value) ?? ''} ${unitOf(f.unit)}`).join('  ')}
        </span>
      </button>
      <button
        type="button"
        className="hv-tool hv-tool-small"
        aria-label={t('measured.remove')}
        title={t('measured.remove')}
        onClick={() => {
          annotation.state.removeAnnotation(m.id)
          drawAll()
        }}
      >
        ×
      </button>
    </li>
  )
}

function ReportGroup({ group }: { group: Group }) {
  const jump = group.sopUid !== '' || (group.space?.length ?? 0) > 0
  return (
    <li>
      <button
        type="button"
        className="hv-link"
        disabled={!jump}
        onClick={() => {
          jumpTo({ seriesUid: null, sopUid: group.sopUid || null, frame: group.frame, position: group.space?.[0] ?? null })
        }}
      >
        <b>{group.finding || group.tracking}</b>
        {group.numbers.slice(0, 4).map((n) => (
          <span key={n.name} className="hv-num">
            {n.name} {shown(n.value)} {unitOf(n.unit)}
          </span>
        ))}
      </button>
    </li>
  )
}

function Measurements({ reports }: { reports: readonly Report[] }) {
  const { t } = useTranslation('viewer')
  const measured = useViewer((s) => s.measured)
  const unsaved = useViewer((s) => s.unsaved)
  return (
    <>
      {measured.length === 0 && <p className="hv-empty">{t('measured.none')}</p>}
      <ul className="hv-list">
        {measured.map((m) => (
          <MeasuredRow key={m.id} m={m} />
        ))}
      </ul>
      {unsaved && (
        <button type="button" className="hv-button" onClick={() => void saveMeasured()}>
          {t('tool.save')}
        </button>
      )}
      {reports
        .filter((r) => !r.own && r.groups.some((g) => g.finding || g.numbers.length > 0))
        .map((report) => (
          <article key={report.sopUid} className="hv-card">
            <h3>{report.title}</h3>
            <ul className="hv-list">
              {report.groups.filter((g) => g.finding || g.numbers.length > 0).map((group, i) => (
                <ReportGroup key={group.uid || i} group={group} />
              ))}
            </ul>
          </article>
        ))}
    </>
  )
}

interface Props {
  reports: readonly Report[]
  panel: ReactNode | undefined
  panelTitle: string
  priors: ReactNode
}

type Tab = 'panel' | 'overlays' | 'measured' | 'priors'

export function Side({ reports, panel, panelTitle, priors }: Props) {
  const { t } = useTranslation('viewer')
  const [tab, setTab] = useState<Tab>()
  const overlays = useViewer((s) => s.segmentations.length)
  const measured = useViewer((s) => s.measured.length)
  const tabs: [Tab, string][] = [
    ...(panel ? [['panel', panelTitle] as [Tab, string]] : []),
    ['overlays', `${t('tab.overlays')}${overlays ? ` ${overlays}` : ''}`],
    ['measured', `${t('tab.measured')}${measured ? ` ${measured}` : ''}`],
    ['priors', t('tab.priors')],
  ]
  const chosen = tab ?? (panel ? 'panel' : 'measured')
  const parts: Record<Tab, ReactNode> = {
    panel,
    overlays: <Overlays />,
    measured: <Measurements reports={reports} />,
    priors,
  }
  return (
    <aside className="hv-aside" aria-label={t('side')}>
      <div className="hv-tabs" role="tablist">
        {tabs.map(([key, name]) => (
          <button
            key={key}
            type="button"
            role="tab"
            id={`hv-tab-${key}`}
            aria-selected={chosen === key}
            aria-controls="hv-tab-part"
            data-tab={key}
            onClick={() => {
              setTab(key)
            }}
          >
            {name}
          </button>
        ))}
      </div>
      <div className="hv-tab-part" id="hv-tab-part" role="tabpanel" aria-labelledby={`hv-tab-${chosen}`}>
        {parts[chosen]}
      </div>
    </aside>
  )
}
