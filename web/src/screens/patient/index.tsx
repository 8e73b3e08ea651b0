// SPDX-License-Identifier: Apache-2.0
// A patient over time: studies, what the AI saw in them, and what doctors reported.
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Alert, Button, Checkbox, Empty, Segmented, Spin, Tag } from 'antd'
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useNavigate, useParams, useSearchParams } from 'react-router'
import { searchWorklist, type WorklistItem } from '../../api/generated'
import { getPatientOptions, searchReportsOptions, searchResultsOptions } from '../../api/generated/@tanstack/react-query.gen'
import { Trouble } from '../../app/errors'
import { useSession } from '../../app/session'
import { categoryParts, useCategory } from '../../components/category'
import { dicomMoment, moment, personName } from '../../components/text'
import { AiCell } from '../worklist/ai'
import { imaging } from '../worklist/columns'
import { viewerAddress } from '../reading/address'
import { modalitiesOf, pairOf, timelineOf, type Entry } from './timeline'
import './patient.css'

const PAGE = 100

function useStudies(patient: string) {
  return useInfiniteQuery({
    queryKey: ['patient-studies', patient],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) => {
      const query = { patient, order: 'newest' as const, limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) }
      return (await searchWorklist({ query, signal, throwOnError: true })).data
    },
    getNextPageParam: (page) => page.next ?? undefined,
  })
}

interface Choice {
  chosen: readonly string[]
  toggle: (study: string) => void
}

function Item({ entry, choice }: { entry: Entry; choice: Choice }) {
  const named = useCategory()
  const { t } = useTranslation('patient')
  const { study, results, reports } = entry
  const kinds = imaging(study.modalities)
  return (
    <li className="hv-visit">
      <span className="hv-visit-when hv-num">{dicomMoment(study.study_date, study.study_time) || '—'}</span>
      <Tag>{kinds || '—'}</Tag>
      <div className="hv-visit-what">
        <div className="hv-visit-head">
          {kinds && (
            <Checkbox
              checked={choice.chosen.includes(study.study_id)}
              disabled={choice.chosen.length >= 2 && !choice.chosen.includes(study.study_id)}
              aria-label={t('choose', { date: dicomMoment(study.study_date) || t('undated') })}
              data-choose={study.study_id}
              onChange={() => { choice.toggle(study.study_id) }}
            />
          )}
          <Link to={viewerAddress(study.study_id, study.spaces)}>{study.description || study.body_parts.join(', ') || t('worklist:undescribed')}</Link>
          {study.accession_number && <span className="hv-dim hv-num">{study.accession_number}</span>}
        </div>
        {results.length === 0 && <AiCell ai={study.ai} unverified={['open', 'none'].includes(study.verdict_state)} />}
        {results.length > 0 && study.ai.state !== 'result' && <AiCell ai={study.ai} unverified />}
        {results.map((r) => (
          <div key={r.id} className="hv-visit-line">
            <span className="hv-dim">{r.application_id} {r.application_version}</span>
            <span>{r.status === 'abstained' ? t('worklist:ai.abstained') : t('findings', { count: r.finding_count })}</span>
            {r.worst_category && <span className="hv-category">{named(...categoryParts(r.worst_category))}</span>}
            <span className="hv-dim">{t(`common:verification.${r.verification}`)}</span>
            <Link to={viewerAddress(study.study_id, study.spaces, { result: r.id })}>{t('open')}</Link>
          </div>
        ))}
        {reports.map((r) => (
          <div key={r.id} className="hv-visit-line">
            <Link to={`/reading/${study.study_id}`}>{t('read')}</Link>
            <Tag>{t(`worklist:report.${r.state}`)}</Tag>
            <span className="hv-dim">{[r.author_name, r.reviewer_name].filter(Boolean).join(' / ')}</span>
            <span className="hv-dim hv-num">{moment(r.signed_at ?? r.updated_at)}</span>
          </div>
        ))}
        {reports.length === 0 && <div className="hv-visit-line"><Link to={`/reading/${study.study_id}`}>{t('worklist:report.none')}</Link></div>}
      </div>
    </li>
  )
}

/** Two studies of the line of time, and the way to see them side by side. */
function Compare({ studies, chosen }: { studies: readonly WorklistItem[]; chosen: readonly string[] }) {
  const { t } = useTranslation('patient')
  const navigate = useNavigate()
  const pair = pairOf(studies, chosen)
  if (studies.length < 2) return null
  const open = ([newer, older]: [WorklistItem, WorklistItem]) => {
    const shared = newer.spaces.filter((s) => older.spaces.includes(s))
    void navigate(viewerAddress(newer.study_id, shared, { prior: older.study_id }))
  }
  return (
    <>
      <Button type="primary" disabled={!pair} data-compare onClick={() => { if (pair) open(pair) }}>{t('compare')}</Button>
      <span className="hv-dim">{chosen.length === 2 && !pair ? t('apart') : pair ? '' : t('pick')}</span>
    </>
  )
}

export default function Patient() {
  const { t, i18n } = useTranslation('patient')
  const { patient = '' } = useParams()
  const { can } = useSession()
  const [params, setParams] = useSearchParams()
  const known = useQuery({ ...getPatientOptions({ path: { patient_ref: patient } }), enabled: can('patients:read') })
  const pages = useStudies(patient)
  const results = useQuery({ ...searchResultsOptions({ query: { patient, current: true, limit: 200 } }), enabled: can('results:read') })
  const reports = useQuery({ ...searchReportsOptions({ query: { patient, limit: 200 } }), enabled: can('reports:read') })
  const studies = useMemo(() => pages.data?.pages.flatMap((p) => p.items) ?? [], [pages.data])
  const kind = params.get('modality') ?? ''
  const shown = kind ? studies.filter((s) => s.modalities.includes(kind)) : studies
  const years = timelineOf(shown, results.data?.items ?? [], reports.data?.items ?? [])
  const error = known.error ?? pages.error ?? results.error ?? reports.error
  const person = known.data
  const sex = person && ['M', 'F', 'O'].includes(person.sex) ? t(`worklist:sex.${person.sex}`) : ''
  const about = person ? [person.patient_id, sex, person.birth_date ? t('born', { date: dicomMoment(person.birth_date) }) : ''] : []
  const modalities = modalitiesOf(studies)
  const [chosen, setChosen] = useState<readonly string[]>([])
  const toggle = (study: string) => { setChosen((all) => (all.includes(study) ? all.filter((s) => s !== study) : [...all, study])) }
  return (
    <div className="hv-page hv-patient">
      <div className="hv-head">
        <h1 className="hv-data">{person ? personName(person.name, i18n.language !== 'en') || t('worklist:nameless') : t('title')}</h1>
        <span className="hv-dim hv-num">{about.filter(Boolean).join(' · ')}</span>
        <span className="hv-grow" />
        <span className="hv-dim hv-num">
          {t('counts', { studies: studies.length, results: results.data?.items.length ?? 0, reports: reports.data?.items.length ?? 0 })}
        </span>
      </div>
      {person && person.conflict_count > 0 && <Alert type="warning" showIcon title={t('conflicts', { count: person.conflict_count })} />}
      {error && <Trouble error={error} retry={() => void pages.refetch()} />}
      <div className="hv-head">
        {modalities.length > 1 && (
          <Segmented
            value={kind}
            aria-label={t('modality')}
            options={[{ value: '', label: t('all') }, ...modalities.map((m) => ({ value: m, label: m }))]}
            onChange={(value) => { setParams(value ? { modality: value } : {}) }}
          />
        )}
        <Compare studies={studies} chosen={chosen} />
      </div>
      {pages.isPending && <Spin />}
      {!pages.isPending && !error && shown.length === 0 && <Empty description={t('none')} />}
      {years.map(({ year, entries }) => (
        <section key={year} className="hv-year" aria-label={year || t('undated')}>
          <h2 className="hv-num">{year || t('undated')}</h2>
          <ul>
            {entries.map((entry) => (
              <Item key={entry.study.study_id} entry={entry} choice={{ chosen, toggle }} />
            ))}
          </ul>
        </section>
      ))}
      {pages.hasNextPage && <Button loading={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>{t('more')}</Button>}
    </div>
  )
}
