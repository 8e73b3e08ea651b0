// SPDX-License-Identifier: Apache-2.0
// The audit log: filter, export, check that nobody changed it, and who opened a patient or study.
import { useMutation, useQuery } from '@tanstack/react-query'
import { Alert, Button, DatePicker, Input, Select, Table, Tag } from 'antd'
import type { Dayjs } from 'dayjs'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useSearchParams } from 'react-router'
import { verify, type AuditEventRead, type ListEventsData, type Viewer } from '../../api/generated'
import { getPatientOptions, listEventsOptions, listPatientsOptions, viewersOptions } from '../../api/generated/@tanstack/react-query.gen'
import { Trouble, useProblemText } from '../../app/errors'
import { useSession } from '../../app/session'
import { PagedTable } from '../../components/paged-table'
import { PersonChoice } from '../../components/person-choice'
import { moment, personName } from '../../components/text'
import { useClearing } from '../../components/clearing'
import { Account } from '../../components/account'
import { Act, ActChoice } from './acts'

type Query = NonNullable<ListEventsData['query']>
const ID = /^[0-9a-f]{8}-[0-9a-f-]{27}$/i
const CATEGORIES = ['access', 'change', 'export', 'security'] as const
const OUTCOMES = ['success', 'refused', 'failed'] as const
const NAMES = ['category', 'outcome', 'action', 'user_id', 'patient_id', 'study_id', 'from', 'to'] as const

function useQueryInAddress() {
  const [params, setParams] = useSearchParams()
  const query: Record<string, string> = {}
  for (const name of NAMES) {
    const value = params.get(name)
    if (value) query[name] = value
  }
  const change = (what: Record<string, string | undefined>) => {
    setParams((before) => {
      const next = new URLSearchParams(before)
      for (const [name, value] of Object.entries(what)) {
        if (value) next.set(name, value)
        else next.delete(name)
      }
      return next
    })
  }
  return { query: query as Query, change, text: new URLSearchParams(query).toString() }
}

function Verify() {
  const { t } = useTranslation('admin')
  const problem = useProblemText()
  const check = useMutation({ mutationFn: async () => (await verify({ throwOnError: true })).data })
  const found = check.data
  return (
    <>
      <Button loading={check.isPending} onClick={() => check.mutate()}>
        {t('audit.verify')}
      </Button>
      {found && (
        <Tag color={found.ok ? 'green' : 'red'}>
          {found.ok ? t('audit.whole', { count: found.checked ?? 0, context: found.checked === null ? 'hidden' : 'known' }) : t('audit.broken', { place: found.first_bad ?? '—' })}
        </Tag>
      )}
      {check.error && <Tag color="red">{problem(check.error)}</Tag>}
    </>
  )
}

function WhoSaw({ query }: { query: Query }) {
  const { t } = useTranslation('admin')
  const of = { patient_id: query.patient_id, study_id: query.study_id }
  const seen = useQuery(viewersOptions({ query: of }))
  if (seen.error) return <Trouble error={seen.error} />
  return (
    <section aria-label={t('audit.who')} className="hv-who-saw">
      <h2>{t('audit.who')}</h2>
      <Table<Viewer>
        rowKey={(v) => v.actor_kind + v.actor_id}
        size="small"
        pagination={false}
        loading={seen.isPending}
        dataSource={seen.data}
        locale={{ emptyText: t('audit.nobody') }}
        columns={[
          { title: t('audit.actor'), key: 'who', render: (_, v) => <Account person={v.user_id} other={v.actor_id} /> },
          { title: t('audit.kind'), dataIndex: 'actor_kind', render: (k: string) => t(`audit.actors.${k}`) },
          { title: t('audit.accesses'), dataIndex: 'accesses', align: 'right' },
          { title: t('audit.first'), dataIndex: 'first', render: (at: string) => <span className="hv-num">{moment(at, true)}</span> },
          { title: t('audit.last'), dataIndex: 'last', render: (at: string) => <span className="hv-num">{moment(at, true)}</span> },
        ]}
      />
    </section>
  )
}

/** A patient by number or name, as the archive knows it. */
function PatientChoice({ value, change }: { value: string | undefined; change: (id: string | undefined) => void }) {
  const { t, i18n } = useTranslation('admin')
  const { can } = useSession()
  const clearing = useClearing()
  const [typed, setTyped] = useState('')
  const text = typed.trim()
  const may = can('patients:read')
  const byNumber = useQuery({ ...listPatientsOptions({ query: { patient_id: text, limit: 10 } }), enabled: may && text.length > 0 })
  const byName = useQuery({ ...listPatientsOptions({ query: { name: `*${text}*`, limit: 10 } }), enabled: may && text.length > 0 })
  const chosen = useQuery({ ...getPatientOptions({ path: { patient_ref: value ?? '' } }), enabled: may && value !== undefined })
  const found = [...(byNumber.data?.items ?? []), ...(byName.data?.items ?? [])]
  const label = (p: { name: string; patient_id: string }) => `${personName(p.name, i18n.language !== 'en')} · ${p.patient_id}`
  const options = new Map(found.map((p) => [p.id, label(p)]))
  if (value) options.set(value, chosen.data ? label(chosen.data) : value)
  return (
    <Select<string>
      className="hv-patient-choice"
      allowClear={clearing}
      showSearch={{ filterOption: false, onSearch: setTyped }}
      value={value}
      placeholder={t('audit.patient')}
      aria-label={t('audit.patient')}
      notFoundContent={text ? t('empty') : null}
      onChange={(id) => change(id)}
      options={[...options].map(([id, name]) => ({ value: id, label: name }))}
      popupMatchSelectWidth={false}
    />
  )
}

function Filters() {
  const { t } = useTranslation('admin')
  const { query, change, text } = useQueryInAddress()
  const clearing = useClearing()
  const period = (days: [Dayjs | null, Dayjs | null] | null) =>
    change({ from: days?.[0]?.startOf('day').toISOString(), to: days?.[1]?.endOf('day').toISOString() })
  return (
    <div className="hv-filters" role="search">
      <Select<string> allowClear={clearing} value={query.category ?? undefined} placeholder={t('audit.category')} aria-label={t('audit.category')} onChange={(category) => change({ category })} options={CATEGORIES.map((value) => ({ value, label: t(`audit.categories.${value}`) }))} popupMatchSelectWidth={false} />
      <Select<string> allowClear={clearing} value={query.outcome ?? undefined} placeholder={t('audit.outcome')} aria-label={t('audit.outcome')} onChange={(outcome) => change({ outcome })} options={OUTCOMES.map((value) => ({ value, label: t(`audit.outcomes.${value}`) }))} popupMatchSelectWidth={false} />
      <PersonChoice value={query.user_id ?? undefined} change={(user_id) => change({ user_id })} label={t('audit.person')} />
      <ActChoice value={query.action ?? undefined} change={(action) => change({ action })} />
      <Input.Search key={`s${query.study_id ?? ''}`} defaultValue={query.study_id ?? ''} allowClear placeholder={t('audit.study')} aria-label={t('audit.study')} onSearch={(id) => change({ study_id: ID.test(id.trim()) ? id.trim() : undefined })} />
      <PatientChoice value={query.patient_id ?? undefined} change={(patient_id) => change({ patient_id })} />
      <DatePicker.RangePicker onChange={(days) => period(days)} allowEmpty={[true, true]} />
      <Button href={`/v1/audit/events.csv?${text}`} download="audit.csv">
        {t('audit.export')}
      </Button>
      <Verify />
    </div>
  )
}

export function Audit() {
  const { t } = useTranslation('admin')
  const { query, text } = useQueryInAddress()
  return (
    <>
      <Filters />
      {(query.patient_id ?? query.study_id) ? <WhoSaw query={query} /> : <Alert type="info" title={t('audit.hint')} />}
      <PagedTable<AuditEventRead>
        options={(cursor) => listEventsOptions({ query: { ...query, cursor, limit: 50 } })}
        of={text}
        rowKey="id"
        empty={t('empty')}
        expandable={{
          expandedRowRender: (event) => (
            <pre className="hv-json" tabIndex={0}>
              {JSON.stringify({ action: event.action, before: event.before, after: event.after, detail: event.detail, request: event.request_id }, null, 2)}
            </pre>
          ),
          columnTitle: <span className="hv-hidden">{t('audit.detail')}</span>,
        }}
        columns={[
          { title: t('at'), dataIndex: 'at', render: (at: string) => <span className="hv-num">{moment(at, true)}</span> },
          { title: t('audit.actor'), key: 'who', render: (_, e) => <Account person={e.user_id} other={e.actor_id} /> },
          { title: t('audit.act'), key: 'action', render: (_, e) => <Act event={e} /> },
          { title: t('audit.category'), dataIndex: 'category', render: (c: string) => t(`audit.categories.${c}`) },
          { title: t('audit.outcome'), dataIndex: 'outcome', render: (o: string) => <span className={o === 'success' ? '' : 'hv-task-failed'}>{t(`audit.outcomes.${o}`)}</span> },
          { title: t('audit.subject'), key: 'subject', render: (_, e) => (e.subject ? <code title={e.subject}>{`${e.kind} ${e.subject.slice(-12)}`}</code> : '—') },
          { title: t('audit.address'), dataIndex: 'address', render: (a: string | null) => a ?? '—' },
          { title: t('audit.sealed'), dataIndex: 'sequence', align: 'right', render: (n: number | null) => n ?? t('audit.unsealed') },
        ]}
      />
    </>
  )
}
