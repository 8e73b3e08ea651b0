// SPDX-License-Identifier: Apache-2.0
// Why a finding was made: words, what raised and lowered it, the guideline rule that matched.
import { Collapse } from 'antd'
import { useTranslation } from 'react-i18next'
import type { Category, Confidence as Value, Contribution, Finding, Measurement, Risk } from '../../../api/generated'
import { useCategory } from '../../../components/category'
import { useText } from '../../../components/text'

const MOST = 6

export function number(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)))
}

export function unitName(unit: string): string {
  return ({ "[hnsf'U]": 'HU', '1': '', mm3: 'mm³', mm2: 'mm²' } as Record<string, string>)[unit] ?? unit
}

/** A probability as a bar with its interval; where there is none the reason stands. */
export function ConfidenceBar({ confidence }: { confidence: Value }) {
  const { t } = useTranslation('reading')
  const text = useText()
  const { value, interval, reason_absent: absent, method, calibrated_on: data } = confidence
  if (value === null || value === undefined) {
    return <p className="hv-dim">{absent ? t('confidence.absent', { why: text(absent) }) : t('confidence.none')}</p>
  }
  const whole = (v: number) => `${Math.round(v * 100)}%`
  const range = interval ? t('confidence.interval', { low: whole(interval.low), high: whole(interval.high) }) : t('confidence.noInterval')
  return (
    <div className="hv-conf">
      <div className="hv-conf-head">
        <span>{t('confidence.title')}</span>
        <b className="hv-num">{whole(value)}</b>
        <span className="hv-dim hv-num">{range}</span>
      </div>
      <div className="hv-conf-bar" role="img" aria-label={`${whole(value)} ${range}`}>
        {interval && <i style={{ left: whole(interval.low), width: whole(interval.high - interval.low) }} />}
        <b style={{ left: whole(value) }} />
      </div>
      <span className="hv-dim hv-small">{data ? t('confidence.method', { method, data }) : method}</span>
    </div>
  )
}

export function Measures({ measurements }: { measurements: readonly Measurement[] }) {
  const text = useText()
  if (measurements.length === 0) return null
  return (
    <dl className="hv-measures">
      {measurements.map((m) => (
        <div key={`${m.code.value} ${m.label.en}`}>
          <dt>{text(m.label)}</dt>
          <dd className="hv-num">
            {number(m.value)} {unitName(m.unit)}
            {m.interval && <small>{` ${number(m.interval.low)}–${number(m.interval.high)}`}</small>}
          </dd>
        </div>
      ))}
    </dl>
  )
}

function Contributions({ items }: { items: readonly Contribution[] }) {
  const { t } = useTranslation('reading')
  const text = useText()
  const sorted = [...items].sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution))
  const most = Math.abs(sorted[0]?.contribution ?? 1) || 1
  return (
    <ul className="hv-contributions" aria-label={t('why.contributions')}>
      {sorted.slice(0, MOST).map((c) => (
        <li key={c.feature}>
          <span>{text(c.label)}</span>
          <span className="hv-num hv-dim">{number(c.value)}</span>
          <span className="hv-contribution" aria-hidden>
            <i
              className={c.contribution > 0 ? 'hv-raises' : 'hv-lowers'}
              style={{ width: `${(50 * Math.abs(c.contribution)) / most}%` }}
            />
          </span>
          <span className="hv-num">{`${c.contribution > 0 ? '+' : ''}${c.contribution.toFixed(2)}`}</span>
        </li>
      ))}
      {sorted.length > MOST && <li className="hv-dim">{t('why.more', { count: sorted.length - MOST })}</li>}
    </ul>
  )
}

function Rules({ category }: { category: Category }) {
  const { t } = useTranslation('reading')
  const text = useText()
  const matched = category.trace.filter((s) => s.matched)
  const others = category.trace.length - matched.length
  return (
    <div className="hv-rules">
      <p>{text(category.management)}</p>
      {matched.map((step) => (
        <p key={step.rule}>
          ✓ {text(step.text)} <code className="hv-dim">{step.rule}</code>
          <br />
          <span className="hv-dim hv-num">
            {Object.entries(step.inputs).map(([name, value]) => `${name} = ${String(value)}`).join(' · ')}
          </span>
        </p>
      ))}
      {others > 0 && <p className="hv-dim">{t('why.otherRules', { count: others })}</p>}
      {(category.assumptions ?? []).map((a) => (
        <p key={a.en} className="hv-assumed">
          {t('why.assumed', { what: text(a) })}
        </p>
      ))}
      <p className="hv-dim">{category.source}</p>
    </div>
  )
}

function RiskLine({ risk }: { risk: Risk }) {
  const { t } = useTranslation('reading')
  const text = useText()
  const percent = (v: number) => `${(v * 100).toFixed(1)}%`
  const range = risk.low === risk.high ? percent(risk.low) : `${percent(risk.low)} – ${percent(risk.high)}`
  return (
    <p>
      {text(risk.title)}: <b className="hv-num">{range}</b>
      {risk.missing.length > 0 && <span className="hv-dim"> {t('why.missing', { what: risk.missing.map(text).join(', ') })}</span>}
    </p>
  )
}

export function Why({ finding }: { finding: Finding }) {
  const named = useCategory()
  const { t } = useTranslation('reading')
  const text = useText()
  const { explanation, categories = [], risks = [] } = finding
  const items = [
    {
      key: 'why',
      label: t('why.title'),
      children: (
        <>
          <p>{text(explanation.text)}</p>
          {(explanation.contributions ?? []).length > 0 && <Contributions items={explanation.contributions ?? []} />}
          <p className="hv-dim hv-small">{explanation.method}</p>
        </>
      ),
    },
    ...categories.map((c) => ({ key: c.guideline, label: named(c.guideline, c.value), children: <Rules category={c} /> })),
    ...(risks.length > 0
      ? [{ key: 'risks', label: t('why.risks'), children: risks.map((r) => <RiskLine key={r.model} risk={r} />) }]
      : []),
  ]
  return <Collapse size="small" ghost defaultActiveKey={['why', ...categories.slice(0, 1).map((c) => c.guideline)]} items={items} />
}
