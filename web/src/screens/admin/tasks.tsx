// SPDX-License-Identifier: Apache-2.0
// Analysis tasks: what waits, runs and failed; cancel, run again, raise.
import { Button, Select, Space } from 'antd'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { cancelTask, changeTask, retryTask, type Priority as Urgency, type TaskRead } from '../../api/generated'
import { listTasksOptions } from '../../api/generated/@tanstack/react-query.gen'
import { useSession } from '../../app/session'
import { Countdown } from '../../components/countdown'
import { PagedTable } from '../../components/paged-table'
import { moment } from '../../components/text'
import { useAct } from './acting'
import { useInAddress } from './in-address'
import { useClearing } from '../../components/clearing'

const STATES = ['queued', 'running', 'done', 'failed', 'cancelled'] as const
const PRIORITIES = ['stat', 'urgent', 'routine', 'bulk'] as const
type State = (typeof STATES)[number]

function Urgent({ task }: { task: TaskRead }) {
  const { t } = useTranslation('admin')
  const { can } = useSession()
  const raise = useAct((priority: Urgency) => changeTask({ path: { task_id: task.id }, body: { priority }, throwOnError: true }))
  return (
    <Select<Urgency>
      size="small"
      value={task.priority}
      disabled={!can('analysis:run') || task.state !== 'queued'}
      options={PRIORITIES.map((value) => ({ value, label: t(`common:priority.${value}`) }))}
      onChange={(priority) => raise.mutate(priority)}
      aria-label={t('tasks.priority')}
    />
  )
}

function Acts({ task }: { task: TaskRead }) {
  const { t } = useTranslation('admin')
  const path = { task_id: task.id }
  const cancel = useAct(() => cancelTask({ path, throwOnError: true }))
  const again = useAct(() => retryTask({ path, throwOnError: true }))
  return (
    <Space>
      {['queued', 'running'].includes(task.state) && (
        <Button size="small" onClick={() => cancel.mutate(undefined)}>
          {t('common:cancel')}
        </Button>
      )}
      {['failed', 'cancelled'].includes(task.state) && (
        <Button size="small" onClick={() => again.mutate(undefined)}>
          {t('tasks.again')}
        </Button>
      )}
    </Space>
  )
}

export function Tasks() {
  const { t } = useTranslation('admin')
  const { can } = useSession()
  const [state, setState] = useInAddress<State>('state', STATES)
  const clearing = useClearing()
  return (
    <>
      <Select<State>
        className="hv-first-button"
        value={state}
        allowClear={clearing}
        placeholder={t('tasks.every')}
        aria-label={t('state')}
        options={STATES.map((value) => ({ value, label: t(`common:task.${value}`) }))}
        onChange={(value) => setState(value)}
        popupMatchSelectWidth={false}
      />
      <PagedTable<TaskRead>
        options={(cursor) => listTasksOptions({ query: { state, cursor, limit: 50 } })}
        of={state ?? ''}
        rowKey="id"
        empty={t('empty')}
        refresh={5000}
        columns={[
          { title: t('tasks.made'), dataIndex: 'created_at', render: (at: string) => <span className="hv-num">{moment(at, true)}</span> },
          { title: t('tasks.application'), key: 'app', render: (_, task) => `${task.application} ${task.application_version}` },
          { title: t('tasks.study'), key: 'study', render: (_, task) => <Link to={`/viewer/${task.study_id}`}>{task.study_uid.slice(-12)}</Link> },
          { title: t('tasks.priority'), key: 'priority', render: (_, task) => <Urgent task={task} /> },
          { title: t('state'), key: 'state', render: (_, task) => <span className={`hv-task-${task.state}`}>{t(`common:task.${task.state}`)}</span> },
          {
            title: t('tasks.left'),
            key: 'left',
            render: (_, task) => (task.finished_at ? t(task.deadline_missed ? 'tasks.missed' : 'tasks.kept') : <Countdown to={task.deadline_at} />),
          },
          { title: t('tasks.error'), key: 'error', render: (_, task) => (task.error_code ? `${task.error_code} · ${task.error_ref ?? '—'}` : '—') },
          ...(can('analysis:run') ? [{ title: t('act'), key: 'act', render: (_: unknown, task: TaskRead) => <Acts task={task} /> }] : []),
        ]}
      />
    </>
  )
}
