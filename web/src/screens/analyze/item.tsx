// SPDX-License-Identifier: Apache-2.0
// One thing on its way: sent, taken in, analysed, its result.
import { useQueries, useQuery } from '@tanstack/react-query'
import { Button, Progress, Steps } from 'antd'
import { useCallback } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { getStudyOptions, listStudyResultsOptions, listTasksOptions } from '../../api/generated/@tanstack/react-query.gen'
import { SendFailed } from '../../api/send-bytes'
import { Trouble, useProblemText } from '../../app/errors'
import { ResultCard } from '../../components/result-card'
import { TaskSteps } from '../../components/task-steps'
import { bytes } from '../../components/text'
import { cancel, forget, type Job, resume } from './jobs'

const ASK_MS = 2000

function Study({ study, note }: { study: string; note: unknown }) {
  const { t } = useTranslation('analyze')
  const known = useQuery(getStudyOptions({ path: { study_id: study } }))
  const results = useQuery(listStudyResultsOptions({ path: { study_id: study } }))
  const tasks = useQuery({
    ...listTasksOptions({ query: { study, limit: 20 } }),
    refetchInterval: (query) => (query.state.data?.items.length || note ? false : ASK_MS),
  })
  const { refetch } = results
  const { refetch: askTasks } = tasks
  const ended = useCallback(() => {
    void refetch()
    void askTasks()
  }, [refetch, askTasks])
  const items = tasks.data?.items ?? []
  return (
    <div className="hv-brought">
      <Link to={`/viewer/${study}`}>{known.data?.description || t('study')}</Link>
      {known.data && (
        <span className="hv-dim"> {t('images', { series: known.data.series_count, images: known.data.instance_count })}</span>
      )}
      {items.length === 0 && !note && <p className="hv-dim">{t('waiting')}</p>}
      {note !== undefined && items.length === 0 && <Trouble error={note} />}
      {items.map((task) => (
        <TaskSteps key={task.id} task={task} ended={ended} />
      ))}
      {(results.data ?? []).map((read) => (
        <ResultCard key={read.item.id} read={read} />
      ))}
    </div>
  )
}

/** The step a job is at; 3: every analysis has come to its end. */
function useStep(job: Job): number {
  const studies = job.outcome?.studies ?? []
  const found = useQueries({ queries: studies.map((study) => ({ ...listTasksOptions({ query: { study, limit: 20 } }), staleTime: ASK_MS })) })
  const tasks = found.map((f) => f.data?.items ?? [])
  const over = tasks.length > 0 && tasks.every((items) => items.length > 0 && items.every((task) => task.finished_at !== null))
  if (job.phase === 'stored') return over ? 3 : 2
  return job.progress >= 1 ? 1 : 0
}

function Why({ job }: { job: Job }) {
  const { t, i18n } = useTranslation('analyze')
  const text = useProblemText()
  if (job.phase === 'failed') {
    const reason = job.outcome?.reason
    const known = reason !== undefined && i18n.exists(`reason.${reason}`, { ns: 'analyze' })
    return <p className="hv-task-failed">{known ? t(`reason.${reason}`) : t('nothingStored', { reason: reason ?? '—' })}</p>
  }
  if (job.phase !== 'interrupted') return null
  const error = job.error instanceof SendFailed && job.error.document !== undefined ? job.error.document : job.error
  return (
    <p className="hv-task-failed" role="alert">
      {text(error)} {t('interrupted')}
    </p>
  )
}

export function JobItem({ job }: { job: Job }) {
  const { t } = useTranslation('analyze')
  const status = job.phase === 'failed' || job.phase === 'interrupted' ? 'error' : job.phase === 'cancelled' ? 'wait' : 'process'
  const steps = ['send', 'take', 'analyse'].map((name) => ({ title: t(`step.${name}`) }))
  const { outcome } = job
  const step = useStep(job)
  return (
    <li className="hv-job" data-phase={job.phase}>
      <div className="hv-job-head">
        <b>{job.name}</b>
        <span className="hv-dim hv-num">{bytes(job.size)}</span>
        <span className="hv-grow" />
        {job.phase === 'sending' && (
          <Button size="small" onClick={() => cancel(job.id)}>
            {t('common:cancel')}
          </Button>
        )}
        {['interrupted', 'cancelled'].includes(job.phase) && (
          <Button size="small" type="primary" onClick={() => resume(job.id)}>
            {t('resume')}
          </Button>
        )}
        {job.phase !== 'sending' && (
          <Button size="small" type="text" onClick={() => forget(job.id)}>
            {t('forget')}
          </Button>
        )}
      </div>
      <Steps size="small" current={step} status={status} items={steps} />
      {job.phase === 'sending' && job.progress < 1 && (
        <Progress percent={Math.round(job.progress * 100)} size="small" aria-label={t('step.send')} />
      )}
      <Why job={job} />
      {job.phase === 'cancelled' && <p className="hv-dim">{t('cancelled')}</p>}
      {outcome && (outcome.failed > 0 || outcome.skipped > 0) && (
        <p className="hv-gate">{t('partly', { stored: outcome.stored, skipped: outcome.skipped, failed: outcome.failed })}</p>
      )}
      {(outcome?.studies ?? []).map((study) => (
        <Study key={study} study={study} note={job.notes[study]} />
      ))}
    </li>
  )
}
