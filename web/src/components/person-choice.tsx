// SPDX-License-Identifier: Apache-2.0
// One person of the organisation, looked for on the server by a part of the name or address.
import { useQuery } from '@tanstack/react-query'
import { Select } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { UserRead } from '../api/generated'
import { getUserOptions, listUsersOptions } from '../api/generated/@tanstack/react-query.gen'
import { useProblemText } from '../app/errors'
import { useSession } from '../app/session'
import { useClearing } from './clearing'
import { useSettled } from './settled'
import './person-choice.css'

const SHOWN = 20

interface Props {
  value: string | undefined // the person's id
  change: (id: string | undefined) => void
  label: string
}

function words(person: UserRead) {
  return (
    <span className="hv-person">
      <span className="hv-data">{person.name}</span>
      <span className="hv-dim hv-data">{person.email}</span>
    </span>
  )
}

export function PersonChoice({ value, change, label }: Props) {
  const { t } = useTranslation()
  const { can } = useSession()
  const clearing = useClearing()
  const problem = useProblemText()
  const [typed, setTyped] = useState('')
  const [open, setOpen] = useState(false)
  const may = can('users:read')
  const wanted = typed.trim()
  const q = useSettled(wanted)
  const found = useQuery({ ...listUsersOptions({ query: { q, limit: SHOWN } }), enabled: may && open })
  const chosen = useQuery({ ...getUserOptions({ path: { user_id: value ?? '' } }), enabled: may && value !== undefined })
  const answer = q === wanted ? found.data : undefined // Enter must not take a person of an earlier answer
  const people = new Map((answer?.items ?? []).map((p) => [p.id, p]))
  if (chosen.data && chosen.data.id === value && (answer || !wanted)) people.set(chosen.data.id, chosen.data)
  const options = [...people.values()].map((p) => ({ value: p.id, label: p.name, person: p }))
  if (value && !people.has(value) && (answer || !wanted)) options.push({ value, label: value, person: { name: value, email: '' } as UserRead })
  const nobody = found.error ? problem(found.error) : !answer ? t('person.searching') : t('person.nobody')
  return (
    <Select<string, (typeof options)[number]>
      allowClear={clearing}
      className="hv-person-choice"
      showSearch={{ filterOption: false, onSearch: setTyped }}
      value={value}
      disabled={!may}
      placeholder={label}
      aria-label={label}
      onOpenChange={setOpen}
      onChange={(id?: string) => change(id)}
      options={options}
      optionRender={({ data }) => words(data.person)}
      notFoundContent={nobody}
      popupMatchSelectWidth={false}
      popupRender={(menu) => (
        <>
          {menu}
          {answer?.next && <p className="hv-dim hv-more-people">{t('person.more', { count: SHOWN })}</p>}
        </>
      )}
    />
  )
}
