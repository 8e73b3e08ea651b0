// SPDX-License-Identifier: Apache-2.0
// The findings of a study, one at a time: where, how sure, why, and the doctor's verdict.
import { LeftOutlined, RightOutlined } from '@ant-design/icons'
import { App, Button, Empty, Spin, Tooltip } from 'antd'
import { useQuery } from '@tanstack/react-query'
import { useCallback, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Finding, ResultRead, TaskRead, VerdictCreate } from '../../../api/generated'
import { listTasksOptions } from '../../../api/generated/@tanstack/react-query.gen'
import { Trouble, useProblemText } from '../../../app/errors'
import { useSession } from '../../../app/session'
import { useCategory } from '../../../components/category'
import { Evidence } from '../../../components/confidence'
import { Downloads } from '../../../components/result-card'
import { TaskSteps } from '../../../components/task-steps'
import { useText } from '../../../components/text'
import { useInOrder } from './in-order'
import { READING_KEYS, useReadingKeys, type ReadingAction } from './keys'
import { usePlaces, useVerdicts, type Place, type ReasonCode } from './model'
import { ModifyDialog } from './modify'
import { VerdictBar } from './verdict'
import { ConfidenceBar, Measures, Why } from './why'

export interface FindingsProps {
  study: string
  result?: string // id of the result to begin with
  finding?: string // tracking UID to begin with
  keys?: boolean // listen to the keyboard
  onFinding?: (finding: Finding, read: ResultRead) => void // it became the current one
}

function Mark({ place }: { place: Place }) {
  const { t } = useTranslation('reading')
  const decision = place.mine?.decision ?? place.others[0]?.decision
  const signs = { accept: '✓', reject: '✕', modify: '✎' }
  return (
    <span className={`hv-mark hv-said-${decision ?? 'none'}`} aria-label={decision ? t(`decision.${decision}`) : t('verdict.unverified')}>
      {decision ? signs[decision] : '•'}
    </span>
  )
}

function Line({ place, current, go }: { place: Place; current: boolean; go: () => void }) {
  const named = useCategory()
  const text = useText()
  const { t } = useTranslation('reading')
  const { finding, number, read } = place
  const category = (finding?.categories ?? [])[0]
  const value = finding?.confidence.value
  return (
    <button type="button" className={current ? 'hv-line hv-line-on' : 'hv-line'} aria-current={current} onClick={go}>
      <Mark place={place} />
      <span className="hv-num hv-dim">{number}</span>
      <span className="hv-line-what">
        {finding ? text(finding.label) : t(read.result.status === 'abstained' ? 'state.abstained' : 'state.noFinding')}{' '}
        <span className="hv-dim">{finding ? text(finding.location.region) : text(read.result.application.title)}</span>
      </span>
      {category && <span className="hv-category">{named(category.guideline, category.value)}</span>}
      <span className="hv-num">{value === null || value === undefined ? '—' : `${Math.round(value * 100)}%`}</span>
    </button>
  )
}

function Whole({ read }: { read: ResultRead }) {
  const { t } = useTranslation('reading')
  const text = useText()
  const { result } = read
  const gates = result.gates.filter((g) => g.outcome !== 'passed')
  return (
    <section className="hv-whole">
      <div className="hv-whole-head">
        <b>{text(result.application.title)}</b>
        <span className="hv-dim">{result.application.version}</span>
        <Evidence level={result.evidence_level} />
        <span className="hv-unverified">{t(`common:verification.${read.item.verification}`)}</span>
        <span className="hv-grow" />
        <Downloads result={read.item.id} />
      </div>
      <p>{result.abstained_reason ? `${t('common:result.abstained')} ${text(result.abstained_reason)}` : text(result.summary)}</p>
      {gates.map((g) => (
        <p key={g.id} className="hv-gate">{text(g.reason)} {g.remedy && <span className="hv-dim">{text(g.remedy)}</span>}</p>
      ))}
      {(result.negatives ?? []).map((n) => (
        <p key={n.code.value} className="hv-dim">{t('common:result.negative', { what: text(n.label), limit: text(n.detection_limit) })}</p>
      ))}
    </section>
  )
}

function Detail({ place }: { place: Place }) {
  const text = useText()
  const { t } = useTranslation('reading')
  const { finding } = place
  if (!finding) return null
  const side = finding.location.laterality
  return (
    <section className="hv-detail" aria-live="polite">
      <h3>
        {text(finding.label)} <span className="hv-dim">{[text(finding.location.region), side ? t(`side.${side}`) : ''].filter(Boolean).join(' · ')}</span>{' '}
        <Evidence level={finding.evidence_level} />
      </h3>
      <ConfidenceBar confidence={finding.confidence} />
      <Measures measurements={finding.measurements ?? []} />
      <Why finding={finding} />
    </section>
  )
}

/** Analyses that wait, run or failed: a study is never silently without a result. */
function Waiting({ study, ended }: { study: string; ended: () => void }) {
  const { can } = useSession()
  const tasks = useQuery({ ...listTasksOptions({ query: { study, limit: 20 } }), enabled: can('analysis:read') })
  const newest = new Map<string, TaskRead>()
  for (const task of tasks.data?.items ?? []) if (!newest.has(task.application)) newest.set(task.application, task)
  const open = [...newest.values()].filter((task) => task.state !== 'done' && task.state !== 'cancelled')
  return (
    <>
      {open.map((task) => (
        <TaskSteps key={task.id} task={task} ended={ended} />
      ))}
    </>
  )
}

function startOf(places: readonly Place[], wanted: { result?: string; finding?: string }): Place | undefined {
  return (
    places.find((p) => wanted.finding !== undefined && p.finding?.tracking_uid === wanted.finding && (!wanted.result || p.read.item.id === wanted.result)) ??
    places.find((p) => p.read.item.id === wanted.result) ??
    places[0]
  )
}

export function Findings({ study, result, finding, keys = true, onFinding }: FindingsProps) {
  const { t } = useTranslation('reading')
  const { can } = useSession()
  const { message } = App.useApp()
  const problem = useProblemText()
  const { results, places } = usePlaces(study)
  const { give, undo } = useVerdicts(study)
  const [chosen, setChosen] = useState<string>()
  const [modifying, setModifying] = useState(false)
  const may = can('verdicts:write')
  const place = places.find((p) => p.key === chosen) ?? startOf(places, { result, finding })
  const at = place ? places.indexOf(place) : -1
  const busy = give.isPending || undo.isPending
  const { refetch } = results
  const refresh = useCallback(() => void refetch(), [refetch])

  const go = (next: Place | undefined) => {
    if (!next) return
    setChosen(next.key)
    if (next.finding) onFinding?.(next.finding, next.read)
  }
  const failed = (error: unknown) => {
    void message.error(problem(error))
    return false
  }
  const say = (where: Place, body: Omit<VerdictCreate, 'tracking_uid'>): Promise<boolean> => {
    const tracking_uid = where.finding?.tracking_uid ?? ''
    return give.mutateAsync({ place: where, body: { ...body, tracking_uid } }).then(() => true, failed)
  }
  const decide = useInOrder<{ key: string; decision: 'accept' | 'reject' | 'undo' }>(busy, ({ key, decision }) => {
    const where = places.find((p) => p.key === key)
    if (!where) return undefined
    if (decision !== 'undo') return say(where, { decision }).then(() => undefined)
    return where.mine && undo.mutateAsync(where.mine).then(() => undefined, (error: unknown) => void failed(error))
  })
  const act = (action: ReadingAction) => {
    if (action === 'next') go(places[at + 1])
    else if (action === 'previous') go(places[at - 1])
    else if (!may || !place) return
    else if (action === 'modify') setModifying(true)
    else decide({ key: place.key, decision: action })
  }
  useReadingKeys(keys && !modifying, act)
  const because = (reason_code: ReasonCode) => {
    if (place && !busy) void say(place, { decision: 'reject', reason_code })
  }

  const waiting = <Waiting study={study} ended={refresh} />
  if (results.error && !results.data) return <Trouble error={results.error} retry={() => void results.refetch()} />
  if (results.isPending) return <Spin />
  if (!place) {
    return (
      <>
        {waiting}
        <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={t('state.none')} />
      </>
    )
  }
  return (
    <div className="hv-findings-panel">
      {waiting}
      <div className="hv-steps">
        <Tooltip title={t('keys.previous', { key: READING_KEYS.previous })}>
          <Button size="small" icon={<LeftOutlined />} aria-label={t('previous')} disabled={at <= 0} onClick={() => { act('previous') }} />
        </Tooltip>
        <span className="hv-num">{t('position', { at: at + 1, of: places.length })}</span>
        <Tooltip title={t('keys.next', { key: READING_KEYS.next })}>
          <Button size="small" icon={<RightOutlined />} aria-label={t('next')} disabled={at + 1 >= places.length} onClick={() => { act('next') }} />
        </Tooltip>
        <span className="hv-grow" />
        <span className="hv-dim hv-small">{t('judged', { done: places.filter((p) => p.mine).length, of: places.length })}</span>
      </div>
      <div className="hv-lines">
        {places.map((p) => (
          <Line key={p.key} place={p} current={p === place} go={() => { go(p) }} />
        ))}
      </div>
      <VerdictBar place={place} busy={busy} may={may} act={act} because={because} />
      <Detail place={place} />
      <Whole read={place.read} />
      {modifying && (
        <ModifyDialog
          finding={place.finding}
          busy={busy}
          close={() => { setModifying(false) }}
          done={(body) => { if (!busy) void say(place, body).then((said) => { if (said) setModifying(false) }) }}
        />
      )}
    </div>
  )
}
