// SPDX-License-Identifier: Apache-2.0
// How deadlines were kept: shares per day and priority, and the tasks that were late.
import { useQuery } from '@tanstack/react-query'
import { Empty, Progress, Segmented, Select, Table } from 'antd'
import dayjs from 'dayjs'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import type { DeadlineReport, TaskRead } from '../../api/generated'
import { getDeadlinesOptions, listTasksOptions } from '../../api/generated/@tanstack/react-query.gen'
import { serverNow } from '../../api/clock'
import { Trouble } from '../../app/errors'
import { PagedTable } from '../../components/paged-table'
import { clock, moment } from '../../components/text'
import { useInAddress } from './in-address'
import { useClearing } from '../../components/clearing'

const ASK_MS = 30_000
const PERIODS = ['1', '7', '30'] as const
const PRIORITIES = ['stat', 'urgent', 'routine'] as const
type Priority = (typeof PRIORITIES)[number]

export interface Kept {
  key: string
  kept: number
  missed: number
  failed: number // in time: without a result, so neither kept nor late
  open: number
}

/** Add up counts that have a name in common: a day, or a priority. */
export function addedUp(days: DeadlineReport['days'], name: 'day' | 'priority'): Kept[] {
  const found = new Map<string, Kept>()
  for (const d of days) {
    const before = found.get(d[name]) ?? { key: d[name], kept: 0, missed: 0, failed: 0, open: 0 }
    found.set(d[name], {
      key: d[name],
      kept: before.kept + d.kept,
      missed: before.missed + d.missed,
      failed: before.failed + d.failed,
      open: before.open + d.open,
    })
  }
  return [...found.values()]
}

/** Percent of the tasks with a result or late that were in time, rounded down: 99.9 is not 100. */
export function share({ kept, missed }: Kept): number | undefined {
  return kept + missed > 0 ? Math.floor((100 * kept) / (kept + missed)) : undefined
}

function Share({ row }: { row: Kept }) {
  const { t } = useTranslation('admin')
  const percent = share(row)
  if (percent === undefined) return <span className="hv-dim">—</span>
  return <Progress percent={percent} size="small" status={row.missed > 0 ? 'exception' : 'success'} format={(p) => `${p ?? 0}%`} aria-label={t('deadlines.share')} />
}

interface CountsProps {
  rows: Kept[] | undefined // undefined: not known
  loading: boolean
  title: string
  name: (key: string) => string
  limit?: (key: string) => string
}

export function Counts({ rows, loading, title, name, limit }: CountsProps) {
  const { t } = useTranslation('admin')
  return (
    <Table<Kept>
      rowKey="key"
      size="small"
      pagination={false}
      dataSource={rows}
      loading={{ spinning: loading, delay: 300 }}
      locale={{ emptyText: rows ? <Empty description={t('deadlines.none')} /> : <span /> }}
      columns={[
        { title, dataIndex: 'key', render: (key: string) => <span className="hv-num">{name(key)}</span> },
        ...(limit ? [{ title: t('health.allowed'), key: 'allowed', render: (_: unknown, row: Kept) => <span className="hv-num">{limit(row.key)}</span> }] : []),
        { title: t('deadlines.kept'), dataIndex: 'kept', align: 'right' },
        { title: t('deadlines.missed'), dataIndex: 'missed', align: 'right', render: (n: number) => <span className={n > 0 ? 'hv-task-failed' : ''}>{n}</span> },
        { title: t('deadlines.failed'), dataIndex: 'failed', align: 'right', render: (n: number) => <span className={n > 0 ? 'hv-task-failed' : ''}>{n}</span> },
        { title: t('deadlines.open'), dataIndex: 'open', align: 'right' },
        { title: t('deadlines.share'), key: 'share', width: 240, render: (_, row) => <Share row={row} /> },
      ]}
    />
  )
}

function Late({ since, priority }: { since: dayjs.Dayjs; priority: Priority | undefined }) {
  const { t } = useTranslation('admin')
  const due_from = since.toISOString()
  return (
    <section className="hv-part">
      <h2>{t('deadlines.late')}</h2>
      <PagedTable<TaskRead>
        options={(cursor) => listTasksOptions({ query: { late: true, due_from, priority, cursor, limit: 50 } })}
        of={`${due_from} ${priority ?? ''}`}
        rowKey="id"
        empty={t('deadlines.noneLate')}
        columns={[
          { title: t('deadlines.due'), dataIndex: 'deadline_at', render: (at: string) => <span className="hv-num">{moment(at, true)}</span> },
          { title: t('tasks.priority'), dataIndex: 'priority', render: (p: string) => t(`common:priority.${p}`) },
          { title: t('tasks.application'), key: 'app', render: (_, task) => <span className="hv-data">{`${task.application} ${task.application_version}`}</span> },
          { title: t('tasks.study'), key: 'study', render: (_, task) => <Link to={`/viewer/${task.study_id}`}>{task.study_uid.slice(-12)}</Link> },
          { title: t('state'), key: 'state', render: (_, task) => <span className={`hv-task-${task.state}`}>{t(`common:task.${task.state}`)}</span> },
          { title: t('deadlines.after'), key: 'after', align: 'right', render: (_, task) => <span className="hv-num">{lateness(task) ?? '—'}</span> },
        ]}
      />
    </section>
  )
}

/** How long after the deadline a task came to its end; undefined while it has not. */
function lateness({ deadline_at, notified_at, finished_at }: TaskRead): string | undefined {
  const end = notified_at ?? finished_at
  if (!end || !deadline_at) return undefined
  const seconds = (Date.parse(end) - Date.parse(deadline_at)) / 1000
  return seconds > 0 ? clock(seconds) : undefined
}

export function Deadlines() {
  const { t } = useTranslation('admin')
  const [period = '7', setPeriod] = useInAddress<(typeof PERIODS)[number]>('days', PERIODS)
  const [priority, setPriority] = useInAddress<Priority>('priority', PRIORITIES)
  const clearing = useClearing()
  const today = dayjs(serverNow()).startOf('day')
  const since = today.subtract(Number(period) - 1, 'day')
  const query = { first_day: since.format('YYYY-MM-DD'), last_day: today.format('YYYY-MM-DD'), utc_offset_minutes: today.utcOffset() }
  const report = useQuery({ ...getDeadlinesOptions({ query }), refetchInterval: ASK_MS })
  const days = report.data?.days.filter((d) => !priority || d.priority === priority)
  const allowed: Record<string, number | undefined> = {
    stat: report.data?.stat_seconds,
    urgent: report.data?.urgent_seconds,
    routine: report.data?.routine_seconds,
  }
  const byDay = days && addedUp(days, 'day').sort((a, b) => b.key.localeCompare(a.key))
  return (
    <>
      <div className="hv-filters" role="search">
        <Segmented
          aria-label={t('deadlines.period')}
          value={period}
          onChange={setPeriod}
          options={PERIODS.map((value) => ({ value, label: t(`deadlines.days.${value}`) }))}
        />
        <Select<Priority>
          value={priority}
          allowClear={clearing}
          placeholder={t('deadlines.every')}
          aria-label={t('tasks.priority')}
          options={PRIORITIES.map((value) => ({ value, label: t(`common:priority.${value}`) }))}
          onChange={(value) => setPriority(value)}
          popupMatchSelectWidth={false}
        />
      </div>
      {report.error && <Trouble error={report.error} retry={() => void report.refetch()} />}
      <section className="hv-part">
        <h2>{t('deadlines.byPriority')}</h2>
        <Counts
          rows={days && addedUp(days, 'priority')}
          loading={report.isPending}
          title={t('tasks.priority')}
          name={(p) => t(`common:priority.${p}`)}
          limit={(p) => (allowed[p] ? clock(allowed[p]) : '—')}
        />
      </section>
      <section className="hv-part">
        <h2>{t('deadlines.byDay')}</h2>
        <Counts rows={byDay} loading={report.isPending} title={t('deadlines.day')} name={(day) => day} />
        <p className="hv-dim">{t('deadlines.what')}</p>
      </section>
      <Late since={since} priority={priority} />
    </>
  )
}
