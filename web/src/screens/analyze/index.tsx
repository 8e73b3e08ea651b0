// SPDX-License-Identifier: Apache-2.0
// Drag images in, choose an application or leave it to the content, watch the steps, see the result.
import { useQuery } from '@tanstack/react-query'
import { App, Select } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { getLimitsOptions, listModelsOptions } from '../../api/generated/@tanstack/react-query.gen'
import { Trouble } from '../../app/errors'
import { bytes, useText } from '../../components/text'
import { Drop } from './drop'
import { JobItem } from './item'
import { bring, useJobs } from './jobs'
import { HalfWay } from './waiting'
import './analyze.css'

export default function Analyze() {
  const { t } = useTranslation('analyze')
  const { message } = App.useApp()
  const text = useText()
  const models = useQuery(listModelsOptions())
  const limits = useQuery(getLimitsOptions())
  const jobs = useJobs((s) => s.jobs)
  const [application, setApplication] = useState('')
  const enabled = (models.data?.items ?? []).filter((m) => m.enabled)
  const chosen = enabled.find((m) => m.id === application)
  const options = [
    { value: '', label: t('automatic') },
    ...enabled.map((m) => ({ value: m.id, label: `${text(m.title)} ${m.version}` })),
  ]
  const take = (files: File[]) => {
    const most = limits.data?.study_bytes ?? Number.POSITIVE_INFINITY
    const large = files.find((f) => f.size > most)
    if (large) message.error(t('tooLarge', { name: large.name, most: bytes(most) }))
    bring(
      files.filter((f) => f.size <= most),
      application,
      (count) => t('loose', { count }),
    )
  }
  return (
    <div className="hv-page hv-analyze">
      <div className="hv-head">
        <h1>{t('title')}</h1>
        <label htmlFor="hv-application" className="hv-dim">
          {t('application')}
        </label>
        <Select id="hv-application" className="hv-choose" value={application} onChange={setApplication} options={options} />
        {chosen && <span className="hv-dim hv-intended">{text(chosen.intended_use)}</span>}
      </div>
      {models.error && <Trouble error={models.error} retry={() => void models.refetch()} />}
      <HalfWay bring={take} />
      <Drop bring={take} />
      {limits.data && (
        <p className="hv-dim">{t('limits', { study: bytes(limits.data.study_bytes), image: bytes(limits.data.image_bytes) })}</p>
      )}
      <ul className="hv-jobs" aria-live="polite">
        {jobs.map((job) => (
          <JobItem key={job.id} job={job} />
        ))}
      </ul>
    </div>
  )
}
