// SPDX-License-Identifier: Apache-2.0
// The worklist: STAT first, time left by the server's clock, what the AI says, live.
import { keepPreviousData, useMutation, useQuery } from '@tanstack/react-query'
import { App, Button, Empty, Table } from 'antd'
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useNavigate } from 'react-router'
import { retryTask, type WorklistItem } from '../../api/generated'
import { countWorklistOptions, countWorklistQueryKey, searchWorklistOptions } from '../../api/generated/@tanstack/react-query.gen'
import { expectViewer } from '../../app/ahead'
import { Trouble, useProblemText } from '../../app/errors'
import { useSession } from '../../app/session'
import { BatchButton } from './batch'
import { FilterBar, WorkTabs } from './bar'
import { columnsOf } from './columns'
import { useFilters } from './filters'
import { useLiveRows } from './live'
import './worklist.css'

function useRetry() {
  const { t } = useTranslation('worklist')
  const { message } = App.useApp()
  const problem = useProblemText()
  return useMutation({
    mutationFn: (task_id: string) => retryTask({ path: { task_id }, throwOnError: true }),
    onSuccess: () => message.success(t('ai.retried')),
    onError: (error) => message.error(problem(error)),
  })
}

function Nothing() {
  const { t } = useTranslation('worklist')
  const { can } = useSession()
  const { filtered, clear } = useFilters()
  return (
    <Empty description={filtered ? t('empty.filtered') : t('empty.none')}>
      {filtered && <Button onClick={clear}>{t('filter.clear')}</Button>}
      {!filtered && can('studies:write') && <Link to="/analyze">{t('empty.bring')}</Link>}
    </Empty>
  )
}

function Pages({ next }: { next: string | null | undefined }) {
  const { t } = useTranslation('worklist')
  const { change, isLater } = useFilters()
  const go = useNavigate()
  if (!next && !isLater) return null
  return (
    <nav className="hv-pages" aria-label={t('pages.label')}>
      <Button disabled={!isLater} onClick={() => change({ cursor: undefined })}>
        {t('pages.first')}
      </Button>
      <Button disabled={!isLater} onClick={() => void go(-1)}>
        {t('pages.back')}
      </Button>
      <Button disabled={!next} onClick={() => change({ cursor: next ?? undefined })}>
        {t('pages.next')}
      </Button>
    </nav>
  )
}

export default function Worklist() {
  const { t, i18n } = useTranslation('worklist')
  const { can } = useSession()
  const go = useNavigate()
  const { query } = useFilters()
  const options = searchWorklistOptions({ query })
  const list = useQuery({ ...options, placeholderData: keepPreviousData })
  const counts = useQuery(countWorklistOptions())
  useLiveRows(options.queryKey, countWorklistQueryKey())
  const [chosen, setChosen] = useState<string[]>([])
  const retry = useRetry()
  const mayRun = can('analysis:run')
  const { mutate } = retry
  const columns = useMemo(
    () => columnsOf({ t, chinese: i18n.language !== 'en', retry: mayRun ? mutate : undefined }),
    [t, i18n.language, mayRun, mutate],
  )
  return (
    <div className="hv-page hv-worklist">
      <div className="hv-head">
        <h1>{t('title')}</h1>
        <WorkTabs counts={counts.data} />
        <span className="hv-grow" />
        {mayRun && <BatchButton studies={chosen} done={() => setChosen([])} />}
      </div>
      <FilterBar />
      {list.error && <Trouble error={list.error} retry={() => void list.refetch()} />}
      <div className="hv-wide-table" onPointerEnter={expectViewer} onFocus={expectViewer}>
      <Table<WorklistItem>
        rowKey="study_id"
        size="small"
        columns={columns}
        dataSource={list.data?.items}
        loading={{ spinning: list.isPending, delay: 300 }}
        pagination={false}
        tableLayout="fixed"
        rowSelection={
          mayRun
            ? {
                selectedRowKeys: chosen,
                onChange: (keys) => setChosen(keys.map(String)),
                columnWidth: 34,
                preserveSelectedRowKeys: true,
                getTitleCheckboxProps: () => ({ 'aria-label': t('chooseAll') }),
                getCheckboxProps: (row) => ({ 'aria-label': t('choose', { name: row.patient_name }) }),
              }
            : undefined
        }
        rowClassName={(row) => `hv-row-${row.priority}`}
        onRow={(row) => ({ onDoubleClick: () => void go(`/viewer/${row.study_id}`, { state: { studyUid: row.study_uid } }) })}
        locale={{ emptyText: list.error ? <span /> : <Nothing /> }}
      />
      </div>
      <Pages next={list.data?.next} />
    </div>
  )
}
