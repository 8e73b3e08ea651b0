// SPDX-License-Identifier: Apache-2.0
// The right side: the caller's panel first, then overlays, measurements and reports, priors.
import { annotation } from '@cornerstonejs/tools'
import { useState, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { drawAll } from '../actions'
import { jumpTo } from '../jumping'
import { shown } from '../measure/lines'
import type { Author, Measured } from '../measure/model'
import type { Group, Report } from '../measure/reading'
import { readable } from '../measure/moments'
import { saveMeasured, takeOverMeasured } from '../measure/saving'
import { setOpacity, setSegmentVisible, setShown } from '../overlays/show'
import { colourAt, type Scale } from '../overlays/maps'
import type { Segmentation } from '../overlays/model'
import { keepOpacity } from '../prefs'
import { useViewer } from '../store'
import { readerName } from '../words'
import { Icon } from './icons'

const UNITS: Record<string, string> = { "[hnsf'U]": 'HU', mm2: 'mm²', deg: '°', '1': '', '{pixels}': 'px', '{pixels}2': 'px²' }
const unitOf = (ucum: string) => UNITS[ucum] ?? ucum

/** The colours of a parametric map with the numbers they stand for. */
function Legend({ scale }: { scale: Scale }) {
  const stops = Array.from({ length: 11 }, (_, i) => `rgb(${colourAt(i / 10).join(' ')})`).join(', ')
  const middle = (scale.lower + scale.upper) / 2
  const unitText = unitOf(scale.unit)
  return (
    <figure className="hv-legend" data-legend>
      <figcaption>{[scale.label, unitText && `(${unitText})`].filter(Boolean).join(' ')}</figcaption>
      <i style={{ background: `linear-gradient(to right, ${stops})` }} />
      <span className="hv-row">
        {[scale.lower, middle, scale.upper].map((v, i) => (
          <span key={i} className="hv-num">{Number(v.toPrecision(3))}</span>
        ))}
      </span>
    </figure>
  )
}

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
              keepOpacity(Number(event.target.value))
            }}
          />
        </label>
      )}
      {on && entry.scale && <Legend scale={entry.scale} />}
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

/** Who measured, and when. */
function Whose({ author, own, at, saved, copy }: { author: Author; own: boolean; at: string; saved: boolean; copy: string | undefined }) {
  const { t } = useTranslation('viewer')
  const name = author.kind === 'program' ? author.name : readerName(author.name)
  const program = author.kind === 'program' ? t('measured.program', { name }) : undefined
  return (
    <small className="hv-whose" data-author={name}>
      <span>{own ? t('measured.you') : (program ?? name) || t('measured.unknown')}</span>
      <span className="hv-when">{saved ? readable(at) : t('measured.unsaved')}</span>
      {copy !== undefined && <span>{t('measured.copied', { name: copy || t('measured.unknown') })}</span>}
    </small>
  )
}

/** Who made the measurement that one was taken over from. */
function useSource(m: Measured): string | undefined {
  const source = useViewer((s) => s.measured.find((o) => o.uid === m.basis?.uid)?.author.name)
  if (!m.basis) return undefined
  return readerName(source ?? '')
}

function MeasuredRow({ m }: { m: Measured }) {
  const { t } = useTranslation('viewer')
  const copy = useSource(m)
  const numbers = m.figures.filter((f) => f.name !== 'minimum' && f.name !== 'maximum')
  return (
    <li className="hv-row" data-measured={m.kind} data-own={m.own}>
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
        <Whose author={m.author} own={m.own} at={m.at} saved={m.saved} copy={copy} />
      </button>
      {m.own ? (
        <button
          type="button"
          className="hv-tool hv-tool-small"
          aria-label={t('measured.remove')}
          title={t('measured.remove')}
          data-remove
          onClick={() => {
            annotation.state.removeAnnotation(m.id)
            drawAll()
          }}
        >
          ×
        </button>
      ) : (
        <button
          type="button"
          className="hv-tool hv-tool-small"
          aria-label={t('measured.take')}
          title={t('measured.take')}
          data-take
          onClick={() => {
            takeOverMeasured(m.id)
          }}
        >
          <Icon name="take" />
        </button>
      )}
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
            <Whose author={report.groups[0]?.author ?? report.author} own={false} at={report.at} saved copy={undefined} />
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
