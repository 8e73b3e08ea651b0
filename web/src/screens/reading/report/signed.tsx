// SPDX-License-Identifier: Apache-2.0
// What is read of a report: its text, who signed it, its addenda, and its files.
import { PrinterOutlined } from '@ant-design/icons'
import { Button, Dropdown, Tag } from 'antd'
import { useTranslation } from 'react-i18next'
import { countPrint, type ReportContent, type ReportRead, type ReportVersionRead } from '../../../api/generated'
import { useSession } from '../../../app/session'
import { moment } from '../../../components/text'
import { SECTIONS } from './editor'

const FORMATS = ['pdf', 'sr', 'dicom-pdf', 'fhir', 'json'] as const

export function Words({ content }: { content: ReportContent }) {
  const { t } = useTranslation('reading')
  return (
    <div className="hv-report-text">
      <p>
        {content.polarity && <Tag color={content.polarity === 'positive' ? 'orange' : 'green'}>{t(`polarity.${content.polarity}`)}</Tag>}
        {content.critical && <Tag color="red">{t('critical')}</Tag>}
      </p>
      {SECTIONS.filter((name) => content[name]?.trim()).map((name) => (
        <section key={name}>
          <h4>{t(`section.${name}`)}</h4>
          <p className="hv-pre">{content[name]}</p>
        </section>
      ))}
    </div>
  )
}

export function Files({ report, refresh }: { report: ReportRead; refresh: () => void }) {
  const { t } = useTranslation('reading')
  const { can } = useSession()
  if (!can('reports:export') || report.version === 0) return null
  const address = (format: string) => `/v1/reports/${report.id}/export?format=${format}`
  const print = () => {
    const page = window.open(`${address('pdf')}&inline=true`, '_blank', 'noopener')
    page?.focus()
    countPrint({ path: { report_id: report.id }, throwOnError: true }).then(refresh, () => undefined)
  }
  const items = FORMATS.map((format) => ({ key: format, label: <a href={address(format)} download>{t(`file.${format}`)}</a> }))
  return (
    <>
      <Dropdown menu={{ items }} trigger={['click']}>
        <Button>{t('file.title')}</Button>
      </Dropdown>
      <Button icon={<PrinterOutlined />} onClick={print}>
        {report.print_count > 0 ? t('printed', { count: report.print_count }) : t('print')}
      </Button>
    </>
  )
}

function Signature({ entry }: { entry: ReportVersionRead }) {
  const { t } = useTranslation('reading')
  return (
    <p className="hv-signature hv-dim">
      {t('signed', { author: entry.author_name, reviewer: entry.reviewer_name, at: moment(entry.signed_at) })}
      <br />
      <code title={entry.sha256}>SHA-256 {entry.sha256.slice(0, 16)}…</code>
    </p>
  )
}

/** The newest signed version with its addenda, older ones below. */
export function Signed({ report }: { report: ReportRead }) {
  const { t } = useTranslation('reading')
  const newest = report.versions.filter((v) => v.kind === 'report').at(-1)
  if (!newest) return null
  const addenda = report.versions.filter((v) => v.kind === 'addendum' && v.number > newest.number)
  const older = report.versions.filter((v) => v.number < newest.number)
  return (
    <article className="hv-signed" aria-label={t('version', { number: newest.version })}>
      {newest.version > 1 && <Tag color="gold">{t('amended', { number: newest.version })}</Tag>}
      <Words content={newest.content} />
      <Signature entry={newest} />
      {addenda.map((entry) => (
        <section key={entry.number} className="hv-addendum">
          <h4>{t('addendum.title')}</h4>
          <p className="hv-pre">{entry.content.findings}</p>
          <Signature entry={entry} />
        </section>
      ))}
      {older.length > 0 && (
        <details>
          <summary>{t('older', { count: older.length })}</summary>
          {older.map((entry) => (
            <section key={entry.number} className="hv-addendum">
              <h4>{entry.kind === 'report' ? t('version', { number: entry.version }) : t('addendum.title')}</h4>
              {entry.kind === 'report' ? <Words content={entry.content} /> : <p className="hv-pre">{entry.content.findings}</p>}
              <Signature entry={entry} />
            </section>
          ))}
        </details>
      )}
    </article>
  )
}
