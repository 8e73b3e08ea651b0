// SPDX-License-Identifier: Apache-2.0
// Reading one study: its findings at the left, the report at the right; the next study by key.
import { useQuery } from '@tanstack/react-query'
import { Button, Tooltip } from 'antd'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useNavigate, useParams, useSearchParams } from 'react-router'
import type { StudyDetail } from '../../api/generated'
import { getStudyOptions, searchWorklistOptions } from '../../api/generated/@tanstack/react-query.gen'
import { Trouble } from '../../app/errors'
import { ageAt, dicomMoment, personName } from '../../components/text'
import { viewerAddress } from './address'
import { KeyHelp } from './help'
import { Findings } from './panel/findings'
import { isTyping } from './panel/keys'
import { ReportPart } from './report'
import './reading.css'

function Head({ study }: { study: StudyDetail }) {
  const { t, i18n } = useTranslation('reading')
  const age = ageAt(study.patient_birth_date, study.study_date)
  const sex = ['M', 'F', 'O'].includes(study.patient_sex) ? t(`worklist:sex.${study.patient_sex}`) : ''
  const about = [study.patient_id, sex, age === undefined ? '' : t('worklist:age', { count: age }), dicomMoment(study.study_date, study.study_time), study.accession_number]
  return (
    <>
      <h1>
        <Link to={`/patients/${study.patient_ref}`}>{personName(study.patient_name, i18n.language !== 'en') || t('worklist:nameless')}</Link>
      </h1>
      <span className="hv-dim hv-num">{about.filter(Boolean).join(' · ')}</span>
      <span>{study.description}</span>
    </>
  )
}

/** The study that comes after this one in the list of what is to be reported. */
function useNext(study: string): string | undefined {
  const list = useQuery(searchWorklistOptions({ query: { tab: 'todo', limit: 50 } }))
  const items = list.data?.items ?? []
  const at = items.findIndex((i) => i.study_id === study)
  return items.filter((i) => i.study_id !== study)[Math.max(0, at)]?.study_id
}

export default function Reading() {
  const { t } = useTranslation('reading')
  const { study = '' } = useParams()
  const [query] = useSearchParams()
  const go = useNavigate()
  const [help, setHelp] = useState(false)
  const found = useQuery(getStudyOptions({ path: { study_id: study } }))
  const next = useNext(study)
  const viewer = viewerAddress(study, (found.data?.spaces ?? []).map((s) => s.slug))
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return
      if (event.key === '?') setHelp(true)
      else if (event.key === 'Enter' && event.target === document.body) void go(viewer)
      else if (event.key.toLowerCase() === 'n' && next) void go(`/reading/${next}`)
    }
    window.addEventListener('keydown', listen)
    return () => {
      window.removeEventListener('keydown', listen)
    }
  }, [go, next, viewer])
  if (found.error) return <div className="hv-page"><Trouble error={found.error} retry={() => void found.refetch()} /></div>
  return (
    <div className="hv-page hv-reading">
      <div className="hv-head">
        {found.data && <Head study={found.data} />}
        <span className="hv-grow" />
        <Link to={viewer}><Button>{t('images')}</Button></Link>
        <Tooltip title={t('keys.nextStudy', { key: 'N' })}>
          <Button disabled={!next} onClick={() => { if (next) void go(`/reading/${next}`) }}>{t('nextStudy')}</Button>
        </Tooltip>
        <Button type="text" aria-label={t('keys.title')} onClick={() => { setHelp(true) }}>?</Button>
      </div>
      <div className="hv-reading-columns" key={study}>
        <section aria-label={t('tab.findings')}>
          <h2>{t('tab.findings')}</h2>
          <Findings study={study} result={query.get('result') ?? undefined} finding={query.get('finding') ?? undefined} />
        </section>
        <section aria-label={t('tab.report')}>
          <h2>{t('tab.report')}</h2>
          <ReportPart study={study} />
        </section>
      </div>
      <KeyHelp open={help} close={() => { setHelp(false) }} />
    </div>
  )
}
