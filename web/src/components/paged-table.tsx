// SPDX-License-Identifier: Apache-2.0
// A list that the server pages: one page at a time, back and forth by cursors.
import { keepPreviousData, useQuery, type UseQueryOptions } from '@tanstack/react-query'
import { Button, Empty, Table, type TableProps } from 'antd'
import { useState, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Trouble } from '../app/errors'

export interface PageOf<Row> {
  items: Row[]
  next?: string | null
}

interface Props<Row> {
  options: (cursor: string | undefined) => object // what a generated `...Options()` gives
  of: string // another value starts at the first page: the filters as a text
  columns: TableProps<Row>['columns']
  rowKey: keyof Row & string
  empty: ReactNode
  refresh?: number // ms
  expandable?: TableProps<Row>['expandable']
}

export function PagedTable<Row extends object>(props: Props<Row>) {
  const { t } = useTranslation()
  const [place, setPlace] = useState<{ of: string; cursors: string[] }>({ of: props.of, cursors: [] })
  const cursors = place.of === props.of ? place.cursors : []
  const options = props.options(cursors.at(-1)) as UseQueryOptions<PageOf<Row>>
  const list = useQuery<PageOf<Row>>({ ...options, placeholderData: keepPreviousData, refetchInterval: props.refresh })
  const next = list.data?.next
  const go = (to: string[]) => setPlace({ of: props.of, cursors: to })
  return (
    <>
      {list.error && <Trouble error={list.error} retry={() => void list.refetch()} />}
      <div className="hv-scroll-x">
      <Table<Row>
        rowKey={props.rowKey}
        size="small"
        columns={props.columns}
        dataSource={list.data?.items}
        loading={{ spinning: list.isPending, delay: 300 }}
        pagination={false}
        expandable={props.expandable}
        locale={{ emptyText: list.error ? <span /> : <Empty description={props.empty} /> }}
      />
      </div>
      {(cursors.length > 0 || next) && (
        <nav className="hv-pages" aria-label={t('pages.label')}>
          <Button disabled={cursors.length === 0} onClick={() => go(cursors.slice(0, -1))}>
            {t('pages.back')}
          </Button>
          <Button disabled={!next} onClick={() => next && go([...cursors, next])}>
            {t('pages.next')}
          </Button>
        </nav>
      )}
    </>
  )
}
