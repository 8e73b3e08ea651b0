// SPDX-License-Identifier: Apache-2.0
// Refused objects with the reasons: take in again, download, delete for good.
import { Button, Popconfirm, Select, Space } from 'antd'
import { useTranslation } from 'react-i18next'
import { deleteQuarantined, releaseQuarantined, type QuarantineRead } from '../../api/generated'
import { listQuarantineOptions } from '../../api/generated/@tanstack/react-query.gen'
import { PagedTable } from '../../components/paged-table'
import { bytes, moment } from '../../components/text'
import { useAct } from './acting'
import { useInAddress } from './in-address'

const STATES = ['held', 'released', 'deleted', 'all'] as const

function Acts({ row }: { row: QuarantineRead }) {
  const { t } = useTranslation('admin')
  const path = { quarantine_id: row.id }
  const release = useAct(() => releaseQuarantined({ path, throwOnError: true }))
  const remove = useAct(() => deleteQuarantined({ path, throwOnError: true }))
  if (row.state !== 'held') return null
  return (
    <Space>
      <Button size="small" onClick={() => release.mutate(undefined)}>
        {t('quarantine.release')}
      </Button>
      <Button size="small" href={`/v1/quarantine/${row.id}/bytes`} download>
        {t('quarantine.bytes')}
      </Button>
      <Popconfirm title={t('quarantine.removeSure')} onConfirm={() => remove.mutate(undefined)}>
        <Button size="small" danger>
          {t('common:delete')}
        </Button>
      </Popconfirm>
    </Space>
  )
}

export function Quarantine() {
  const { t } = useTranslation('admin')
  const [chosen, setState] = useInAddress('state', STATES)
  const state = chosen ?? 'held'
  return (
    <>
      <Select<(typeof STATES)[number]>
        className="hv-first-button"
        value={state}
        aria-label={t('state')}
        options={STATES.map((value) => ({ value, label: t(`quarantine.state.${value}`) }))}
        onChange={setState}
        popupMatchSelectWidth={false}
      />
      <PagedTable<QuarantineRead>
        options={(cursor) => listQuarantineOptions({ query: { state, cursor, limit: 50 } })}
        of={state}
        rowKey="id"
        empty={t('quarantine.none')}
        columns={[
          { title: t('at'), dataIndex: 'created_at', render: (at: string) => <span className="hv-num">{moment(at, true)}</span> },
          { title: t('quarantine.reason'), dataIndex: 'reason', render: (code: string) => <code>{code}</code> },
          { title: t('quarantine.field'), dataIndex: 'field', render: (f: string) => f || '—' },
          { title: t('quarantine.origin'), dataIndex: 'origin' },
          { title: t('quarantine.size'), dataIndex: 'size', align: 'right', render: (n: number) => <span className="hv-num">{bytes(n)}</span> },
          { title: t('state'), dataIndex: 'state', render: (s: string) => t(`quarantine.state.${s}`) },
          { title: t('act'), key: 'act', render: (_, row) => <Acts row={row} /> },
        ]}
      />
    </>
  )
}
