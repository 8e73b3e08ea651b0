// SPDX-License-Identifier: Apache-2.0
// Health: the server, its workers, the archive, and how full the queue is.
import { useQuery } from '@tanstack/react-query'
import { Descriptions, Table } from 'antd'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import type { LimitRead } from '../../api/generated'
import { getAnalysisLimitsOptions, getIntegrityOptions, limitsOptions, readyOptions, versionOptions } from '../../api/generated/@tanstack/react-query.gen'
import { Trouble } from '../../app/errors'
import { useSession } from '../../app/session'
import { bytes } from '../../components/text'

const ASK_MS = 10_000

/** How full the queue is; how deadlines were kept has a part of its own. */
function Queue() {
  const { t } = useTranslation('admin')
  const limits = useQuery({ ...getAnalysisLimitsOptions(), refetchInterval: ASK_MS })
  if (limits.error) return <Trouble error={limits.error} />
  return (
    <section className="hv-part">
      <h2>{t('part.jobs')}</h2>
      {limits.data && <p>{t('health.open', { open: limits.data.open_tasks, most: limits.data.max_open_tasks })}</p>}
      <Link to="/admin/deadlines">{t('part.deadlines')}</Link>
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
      <Queue />
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
