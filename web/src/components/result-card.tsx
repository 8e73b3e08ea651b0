// SPDX-License-Identifier: Apache-2.0
// A result at a glance: findings with confidence and guideline, gates, what was not found, downloads.
import { DownloadOutlined } from '@ant-design/icons'
import { Button, Dropdown } from 'antd'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import type { Finding, ResultRead } from '../api/generated'
import { useSession } from '../app/session'
import { Confidence, Evidence } from './confidence'
import { useCategory } from './category'
import { useText } from './text'
import './result-card.css'

const FORMATS = ['pdf', 'html', 'json', 'csv', 'dicom', 'fhir'] as const

export function Downloads({ result }: { result: string }) {
  const { t, i18n } = useTranslation()
  const { can } = useSession()
  if (!can('results:export')) return null
  const language = i18n.language === 'en' ? 'en' : 'zh'
  const items = FORMATS.map((format) => ({
    key: format,
    label: (
      <a href={`/v1/results/${result}/export?format=${format}&language=${language}`} download>
        {t(`download.${format}`)}
      </a>
    ),
  }))
  return (
    <Dropdown menu={{ items }} trigger={['click']}>
      <Button icon={<DownloadOutlined />}>{t('download.button')}</Button>
    </Dropdown>
  )
}

function FindingLine({ finding }: { finding: Finding }) {
  const text = useText()
  const named = useCategory()
  const category = (finding.categories ?? [])[0]
  return (
    <li className="hv-finding">
      <span className="hv-finding-what">
        {text(finding.label)} <span className="hv-dim">{text(finding.location.region)}</span>
      </span>
      <span>
        {category && (
          <>
            <span className="hv-category">{named(category.guideline, category.value, true)}</span>{' '}
            <span className="hv-dim">{text(category.management)}</span>
          </>
        )}
      </span>
      <Confidence confidence={finding.confidence} level={finding.evidence_level} />
    </li>
  )
}

export function ResultCard({ read }: { read: ResultRead }) {
  const { t } = useTranslation()
  const text = useText()
  const { result, item } = read
  const gates = result.gates.filter((g) => g.outcome !== 'passed')
  return (
    <article className="hv-result" aria-label={text(result.application.title)}>
      <header>
        <h2>{text(result.application.title)}</h2>
        <span className="hv-dim">{result.application.version}</span>
        <Evidence level={result.evidence_level} />
        <span className="hv-unverified">{t(`verification.${item.verification}`)}</span>
        <span className="hv-grow" />
        <Link to={`/viewer/${item.study_id}`}>
          <Button type="primary">{t('result.open')}</Button>
        </Link>
        <Downloads result={item.id} />
      </header>
      {result.status === 'abstained' ? (
        <p className="hv-ai-abstain">
          {t('result.abstained')} {result.abstained_reason && text(result.abstained_reason)}
        </p>
      ) : (
        <p>{text(result.summary)}</p>
      )}
      {result.findings.length > 0 && (
        <ul className="hv-findings">
          {result.findings.map((f) => (
            <FindingLine key={f.tracking_uid} finding={f} />
          ))}
        </ul>
      )}
      {(result.negatives ?? []).map((n) => (
        <p key={n.code.value} className="hv-dim">
          {t('result.negative', { what: text(n.label), limit: text(n.detection_limit) })}
        </p>
      ))}
      {gates.map((gate) => (
        <p key={gate.id} className="hv-gate">
          {text(gate.reason)} {gate.remedy && <span className="hv-dim">{text(gate.remedy)}</span>}
        </p>
      ))}
    </article>
  )
}
