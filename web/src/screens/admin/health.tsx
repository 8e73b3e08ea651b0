// SPDX-License-Identifier: Apache-2.0
// Health: the server, its workers, the archive, and how deadlines were kept.
import { useQuery } from '@tanstack/react-query'
import { Descriptions, Progress, Table } from 'antd'
import { useTranslation } from 'react-i18next'
import type { LimitRead, TaskRead } from '../../api/generated'
import { getAnalysisLimitsOptions, getIntegrityOptions, limitsOptions, listTasksOptions, readyOptions, versionOptions } from '../../api/generated/@tanstack/react-query.gen'
import { Trouble } from '../../app/errors'
import { useSession } from '../../app/session'
import { bytes, clock } from '../../components/text'

const ASK_MS = 10_000

interface Kept {
  priority: string
  ended: number
  kept: number
  median: number | null
}

/** How tasks of the newest page kept their deadlines, by priority. */
export function keptBy(tasks: readonly TaskRead[]): Kept[] {
  return ['stat', 'urgent', 'routine', 'bulk'].map((priority) => {
    const ended = tasks.filter((task) => task.priority === priority && task.finished_at)
    const times = ended
      .filter((task) => task.state === 'done')
      .map((task) => (Date.parse(task.finished_at ?? '') - Date.parse(task.last_instance_at ?? task.created_at)) / 1000)
      .sort((a, b) => a - b)
    const median = times.length > 0 ? (times[Math.floor(times.length / 2)] ?? null) : null
    return { priority, ended: ended.length, kept: ended.filter((task) => !task.deadline_missed).length, median }
  })
}

function Deadlines() {
  const { t } = useTranslation('admin')
  const limits = useQuery(getAnalysisLimitsOptions())
  const tasks = useQuery({ ...listTasksOptions({ query: { limit: 200 } }), refetchInterval: ASK_MS })
  if (tasks.error) return <Trouble error={tasks.error} />
  const allowed: Record<string, number | undefined> = {
    stat: limits.data?.stat_seconds,
    urgent: limits.data?.urgent_seconds,
    routine: limits.data?.routine_seconds,
  }
  return (
    <section className="hv-part">
      <h2>{t('health.deadlines')}</h2>
      <Table<Kept>
        rowKey="priority"
        size="small"
        pagination={false}
        dataSource={keptBy(tasks.data?.items ?? [])}
        columns={[
          { title: t('tasks.priority'), dataIndex: 'priority', render: (p: string) => t(`common:priority.${p}`) },
          { title: t('health.allowed'), dataIndex: 'priority', key: 'allowed', render: (p: string) => (allowed[p] ? clock(allowed[p]) : '—') },
          { title: t('health.ended'), dataIndex: 'ended', align: 'right' },
          {
            title: t('health.kept'),
            key: 'kept',
            width: 220,
            render: (_, row) => (row.ended > 0 ? <Progress percent={Math.round((100 * row.kept) / row.ended)} size="small" aria-label={t('health.kept')} /> : '—'),
          },
          { title: t('health.median'), dataIndex: 'median', align: 'right', render: (s: number | null) => (s === null ? '—' : clock(s)) },
        ]}
      />
      {limits.data && <p className="hv-dim">{t('health.open', { open: limits.data.open_tasks, most: limits.data.max_open_tasks })}</p>}
    </section>
  )
}

export function Health() {
  const { t } = useTranslation('admin')
  const { can } = useSession()
  const ready = useQuery({ ...readyOptions(), refetchInterval: ASK_MS, retry: false })
  const version = useQuery(versionOptions())
  const integrity = useQuery({ ...getIntegrityOptions(), enabled: can('studies:hold'), retry: false })
  const limits = useQuery(limitsOptions())
  const archive = integrity.data
  const items = [
    { key: 'state', label: t('health.state'), children: ready.error ? <b className="hv-task-failed">{t('health.bad')}</b> : <b className="hv-task-done">{t('health.good')}</b> },
    { key: 'workers', label: t('health.workers'), children: ready.data?.workers ?? '—' },
    { key: 'version', label: t('health.version'), children: version.data?.version ?? '—' },
    ...(archive
      ? [
          { key: 'bytes', label: t('health.bytes'), children: bytes(archive.bytes) },
          { key: 'packs', label: t('health.packs'), children: archive.packs },
          { key: 'unsealed', label: t('health.unsealed'), children: archive.unsealed_instances },
          { key: 'damaged', label: t('health.damaged'), children: <span className={archive.damaged_instances ? 'hv-task-failed' : ''}>{archive.damaged_instances}</span> },
          { key: 'never', label: t('health.never'), children: archive.never_verified },
        ]
      : []),
  ]
  return (
    <>
      <section className="hv-part">
        <h2>{t('health.server')}</h2>
        <Descriptions size="small" bordered column={{ xs: 1, md: 2, lg: 4 }} items={items} />
      </section>
      <Deadlines />
      <section className="hv-part">
        <h2>{t('health.limits')}</h2>
        <Table<LimitRead>
          rowKey="name"
          size="small"
          pagination={false}
          dataSource={limits.data}
          columns={[
            { title: t('health.limit'), dataIndex: 'name', render: (n: string) => <code>{n}</code> },
            { title: t('health.value'), key: 'value', render: (_, l) => <span className="hv-num">{l.unit === 'By' ? bytes(Number(l.value)) : `${String(l.value)}${l.unit === '1' ? '' : ` ${l.unit}`}`}</span> },
          ]}
        />
      </section>
    </>
  )
}
