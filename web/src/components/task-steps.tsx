// SPDX-License-Identifier: Apache-2.0
// One analysis, live: state, stage, progress, time left; cancel and run again.
import { useQueryClient } from '@tanstack/react-query'
import { App, Button, Progress } from 'antd'
import { useEffect, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { askAgain } from '../api/asking'
import { cancelTask, retryTask, type TaskRead } from '../api/generated'
import { useStream } from '../api/stream'
import { useProblemText } from '../app/errors'
import { useSession } from '../app/session'
import { Countdown } from './countdown'
import { Priority } from './priority'
import './task-steps.css'

const FINAL = ['done', 'failed', 'cancelled']

/** The newest state of a task, by its event stream until its end.
 *
 * ``ended`` is told once for each end, also of a task that was over before it was first seen.
 */
export function useLiveTask(given: TaskRead, ended?: () => void): TaskRead {
  const [heard, setHeard] = useState<TaskRead>()
  const task = heard && heard.id === given.id && heard.revision >= given.revision ? heard : given
  const handlers = useMemo(
    () => ({
      task: (data: string) => {
        setHeard(JSON.parse(data) as TaskRead)
      },
    }),
    [],
  )
  const over = FINAL.includes(task.state)
  useStream(over ? undefined : `/v1/tasks/${task.id}/events`, handlers)
  useEffect(() => {
    if (over) ended?.()
  }, [over, ended])
  return task
}

export function TaskSteps({ task: given, ended }: { task: TaskRead; ended?: () => void }) {
  const { t, i18n } = useTranslation()
  const { can } = useSession()
  const { message } = App.useApp()
  const problem = useProblemText()
  const queries = useQueryClient()
  const task = useLiveTask(given, ended)
  const act = (work: typeof cancelTask | typeof retryTask) => {
    work({ path: { task_id: task.id }, throwOnError: true })
      .then(() => askAgain(queries))
      .catch((error: unknown) => message.error(problem(error)))
  }
  const stage = i18n.exists(`stage.${task.stage}`) ? t(`stage.${task.stage}`) : ''
  return (
    <div className="hv-task" data-task-state={task.state}>
      <div className="hv-task-line">
        <Priority value={task.priority} />
        <b>
          {task.application} <span className="hv-dim">{task.application_version}</span>
        </b>
        <span className={`hv-task-${task.state}`}>{t(`task.${task.state}`)}</span>
        {task.state === 'running' && stage && <span className="hv-dim">{stage}</span>}
        <span className="hv-grow" />
        {!FINAL.includes(task.state) && task.deadline_at && (
          <span>
            {t('task.left')} <Countdown to={task.deadline_at} />
          </span>
        )}
        {can('analysis:run') && ['queued', 'running'].includes(task.state) && (
          <Button size="small" onClick={() => act(cancelTask)}>
            {t('cancel')}
          </Button>
        )}
        {can('analysis:run') && ['failed', 'cancelled'].includes(task.state) && (
          <Button size="small" onClick={() => act(retryTask)}>
            {t('task.again')}
          </Button>
        )}
      </div>
      {['queued', 'running'].includes(task.state) && (
        <Progress percent={Math.round(task.progress * 100)} size="small" status="active" aria-label={t(`task.${task.state}`)} />
      )}
      {task.state === 'failed' && (
        <p className="hv-task-failed">
          {t('task.why', { code: task.error_code ?? '—', ref: task.error_ref ?? '—' })}
          {i18n.language === 'en' && task.error_detail ? ` ${task.error_detail}` : ''}
        </p>
      )}
    </div>
  )
}
