// SPDX-License-Identifier: Apache-2.0
import { Tooltip, type TableColumnsType } from 'antd'
import type { TFunction } from 'i18next'
import { Link } from 'react-router'
import type { WorklistItem } from '../../api/generated'
import { Countdown } from '../../components/countdown'
import { Priority } from '../../components/priority'
import { ageAt, dicomMoment, personName } from '../../components/text'
import { AiCell } from './ai'

interface Wishes {
  t: TFunction<'worklist'>
  chinese: boolean
  retry?: (task: string) => void
}

function Patient({ row, chinese, t }: { row: WorklistItem; chinese: boolean; t: TFunction<'worklist'> }) {
  const age = ageAt(row.patient_birth_date, row.study_date)
  const sex = ['M', 'F', 'O'].includes(row.patient_sex) ? t(`sex.${row.patient_sex}`) : ''
  return (
    <div className="hv-two">
      <Link to={`/patients/${row.patient_ref}`} className="hv-name">
        {personName(row.patient_name, chinese) || t('nameless')}
      </Link>
      <span className="hv-dim hv-num">
        {[row.patient_id, sex, age === undefined ? '' : t('age', { count: age })].filter(Boolean).join(' · ')}
      </span>
    </div>
  )
}

function Study({ row, t }: { row: WorklistItem; t: TFunction<'worklist'> }) {
  return (
    <div className="hv-two">
      <Link to={`/viewer/${row.study_id}`} state={{ studyUid: row.study_uid }} className="hv-open" title={row.description}>
        {row.description || row.body_parts.join(', ') || t('undescribed')}
      </Link>
      <span className="hv-dim hv-num">
        {dicomMoment(row.study_date, row.study_time) || '—'}
        {row.accession_number ? ` · ${row.accession_number}` : ''}
      </span>
    </div>
  )
}

const DERIVED = new Set(['SEG', 'SR', 'DOC', 'OT', 'PR', 'KO', 'REG', 'RWV'])

/** The modalities that made images; what was derived from them only when there is nothing else. */
export function imaging(modalities: readonly string[]): string {
  const own = modalities.filter((m) => !DERIVED.has(m))
  return (own.length > 0 ? own : modalities).join('/')
}

export function columnsOf({ t, chinese, retry }: Wishes): TableColumnsType<WorklistItem> {
  return [
    { key: 'priority', title: t('column.priority'), width: 66, render: (_, row) => <Priority value={row.priority} /> },
    { key: 'left', title: t('column.left'), width: 84, render: (_, row) => <Countdown to={row.deadline_at} /> },
    { key: 'patient', title: t('column.patient'), width: 190, render: (_, row) => <Patient row={row} chinese={chinese} t={t} /> },
    { key: 'modality', title: t('column.modality'), width: 62, render: (_, row) => imaging(row.modalities) },
    { key: 'study', title: t('column.study'), width: 230, render: (_, row) => <Study row={row} t={t} /> },
    {
      key: 'images',
      title: t('column.images'),
      width: 72,
      align: 'right',
      render: (_, row) => <span className="hv-num">{t('images', { series: row.series_count, images: row.instance_count })}</span>,
    },
    {
      key: 'ai',
      title: (
        <Tooltip title={t('ai.what')}>
          <span>{t('column.ai')}</span>
        </Tooltip>
      ),
      render: (_, row) => <AiCell ai={row.ai} unverified={['open', 'none'].includes(row.verdict_state)} retry={retry} />,
    },
    {
      key: 'verdict',
      title: t('column.verdict'),
      width: 84,
      render: (_, row) => <span className={`hv-verdict-${row.verdict_state}`}>{t(`verdict.${row.verdict_state}`)}</span>,
    },
    {
      key: 'report',
      title: t('column.report'),
      width: 92,
      render: (_, row) => <Link to={`/reading/${row.study_id}`}>{t(`report.${row.report_state}`)}</Link>,
    },
    {
      key: 'priors',
      title: t('column.priors'),
      width: 56,
      align: 'right',
      render: (_, row) => <span className="hv-num">{row.prior_count || '—'}</span>,
    },
  ]
}
