// SPDX-License-Identifier: Apache-2.0
// Filters above the list.
import { ClearOutlined } from '@ant-design/icons'
import { Button, DatePicker, Input, Select, Tabs } from 'antd'
import dayjs from 'dayjs'
import { useTranslation } from 'react-i18next'
import type { WorklistCounts } from '../../api/generated'
import { useFilters } from './filters'
import { useClearing } from '../../components/clearing'

const MODALITIES = ['CT', 'MR', 'CR', 'DX', 'DR', 'MG', 'US', 'NM', 'PT', 'XA', 'RF', 'OT']
const TABS = ['all', 'todo', 'review', 'mine', 'done'] as const
const CHOICES = {
  priority: ['stat', 'urgent', 'routine', 'bulk'],
  ai_state: ['none', 'pending', 'running', 'failed', 'abstained', 'result'],
  verdict: ['none', 'open', 'accepted', 'rejected', 'modified', 'mixed'],
  report: ['none', 'draft', 'submitted', 'final', 'amending'],
} as const
const TEXTS = { priority: 'common:priority', ai_state: 'part', verdict: 'verdict', report: 'report' } as const

function day(text: string | undefined) {
  return text ? dayjs(`${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6, 8)}`) : null
}

function Choice({ name }: { name: keyof typeof CHOICES }) {
  const { t } = useTranslation('worklist')
  const { query, change } = useFilters()
  const clearing = useClearing()
  const options = CHOICES[name].map((value) => ({ value: value as string, label: t(`${TEXTS[name]}.${value}`) }))
  return (
    <Select<string>
      className={`hv-filter-${name}`}
      value={query[name]}
      onChange={(value) => change({ [name]: value })}
      options={options}
      placeholder={t(`filter.${name}`)}
      aria-label={t(`filter.${name}`)}
      allowClear={clearing}
      popupMatchSelectWidth={false}
    />
  )
}

export function FilterBar() {
  const { t } = useTranslation('worklist')
  const { query, change, clear, filtered } = useFilters()
  const clearing = useClearing()
  return (
    <div className="hv-filters" role="search">
      <Input.Search
        key={query.text ?? ''}
        defaultValue={query.text}
        allowClear
        placeholder={t('filter.text')}
        aria-label={t('filter.text')}
        onSearch={(text) => change({ text: text.trim() })}
      />
      <Select<string>
        value={query.modality ?? undefined}
        onChange={(modality) => change({ modality })}
        options={MODALITIES.map((value) => ({ value, label: value }))}
        placeholder={t('filter.modality')}
        aria-label={t('filter.modality')}
        allowClear={clearing}
        showSearch
      />
      <DatePicker.RangePicker
        value={[day(query.date_from ?? undefined), day(query.date_to ?? undefined)]}
        allowEmpty={[true, true]}
        onChange={(days) =>
          change({ date_from: days?.[0]?.format('YYYYMMDD'), date_to: days?.[1]?.format('YYYYMMDD') })
        }
        placeholder={[t('filter.from'), t('filter.to')]}
      />
      <Choice name="priority" />
      <Choice name="ai_state" />
      <Choice name="verdict" />
      <Choice name="report" />
      <Select<string>
        value={query.order ?? 'urgency'}
        onChange={(order) => change({ order: order === 'urgency' ? undefined : order })}
        options={['urgency', 'newest'].map((value) => ({ value, label: t(`order.${value}`) }))}
        aria-label={t('filter.order')}
        popupMatchSelectWidth={false}
      />
      {filtered && (
        <Button icon={<ClearOutlined />} onClick={clear}>
          {t('filter.clear')}
        </Button>
      )}
    </div>
  )
}

export function WorkTabs({ counts }: { counts: WorklistCounts | undefined }) {
  const { t } = useTranslation('worklist')
  const { query, change } = useFilters()
  const items = TABS.map((key) => {
    const count = counts?.tabs[key]
    return { key, label: count === undefined ? t(`tab.${key}`) : `${t(`tab.${key}`)} ${count}` }
  })
  return (
    <Tabs
      className="hv-worktabs"
      size="small"
      activeKey={query.tab ?? 'all'}
      onChange={(tab) => change({ tab: tab === 'all' ? undefined : tab })}
      items={items}
      tabBarGutter={18}
    />
  )
}
