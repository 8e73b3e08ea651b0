// SPDX-License-Identifier: Apache-2.0
// Acts of the audit log in words: the server knows them in both languages.
import { useQuery } from '@tanstack/react-query'
import { Select } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { ActionRead, AuditEventRead } from '../../api/generated'
import { listAuditActionsOptions } from '../../api/generated/@tanstack/react-query.gen'
import { useClearing } from '../../components/clearing'
import { useText } from '../../components/text'

const TOTAL = /_total$/ // closes a run of reads and says how many there were
const CODE = /^[a-z0-9_-]+(\.[a-z0-9_.-]*\*?|\*)$/ // what the server takes: 'archive.study_*'
const PART = /\.\*$/

function useActions() {
  return useQuery({ ...listAuditActionsOptions(), staleTime: Infinity })
}

function readsOf(event: AuditEventRead): number | undefined {
  const { reads } = (event.detail ?? {}) as { reads?: unknown }
  return TOTAL.test(event.action) && typeof reads === 'number' ? reads : undefined
}

/** One act in words, its code beside it for the pointer; an act of a plugin may have a code alone. */
export function Act({ event }: { event: AuditEventRead }) {
  const { t } = useTranslation('admin')
  const say = useText()
  const actions = useActions()
  const known = actions.data?.find((a) => a.action === event.action.replace(TOTAL, ''))
  if (!known) return <code>{event.action}</code>
  const reads = readsOf(event)
  const words = say(known.words)
  return <span title={event.action}>{reads === undefined ? words : t('audit.reads', { words, count: reads })}</span>
}

interface Choice {
  value: string
  label: string
  part: boolean
}

function choiceOf(action: ActionRead, words: string, every: string): Choice {
  const part = PART.test(action.action)
  return { value: action.action, label: part ? every : words, part }
}

/** One act, all of one part, or a code typed in that may end in '*'. */
export function ActChoice({ value, change }: { value: string | undefined; change: (action: string | undefined) => void }) {
  const { t } = useTranslation('admin')
  const say = useText()
  const clearing = useClearing()
  const actions = useActions()
  const [typed, setTyped] = useState('')
  const text = typed.trim().toLowerCase()
  const all = (actions.data ?? []).map((a) => choiceOf(a, say(a.words), t('audit.every', { part: say(a.words) })))
  const fits = (c: Choice) => c.label.toLowerCase().includes(text) || c.value.includes(text)
  const options = text ? all.filter(fits) : all
  if (CODE.test(text) && !options.some((c) => c.value === text)) options.push({ value: text, label: text, part: false })
  return (
    <Select<string, Choice>
      className="hv-act-choice"
      allowClear={clearing}
      showSearch={{ filterOption: false, onSearch: setTyped }}
      value={value}
      placeholder={t('audit.action')}
      aria-label={t('audit.action')}
      onChange={(action?: string) => change(action)}
      options={options}
      labelRender={({ value: code }) => all.find((c) => c.value === code)?.label ?? <code>{code}</code>}
      optionRender={({ data }) => (
        <span className="hv-act">
          <span className={data.part ? 'hv-act-part' : undefined}>{data.label}</span>
          {data.label !== data.value && <code className="hv-dim">{data.value}</code>}
        </span>
      )}
      notFoundContent={t('audit.noAct')}
      popupMatchSelectWidth={460} // a number: only then is the long list a virtual one
    />
  )
}
