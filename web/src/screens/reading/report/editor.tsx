// SPDX-License-Identifier: Apache-2.0
// The doctor's text: structured fields, filled with accepted findings, saved by itself.
import { ImportOutlined, SendOutlined } from '@ant-design/icons'
import { Alert, App, Button, Checkbox, Input, Popconfirm, Radio, Select } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { discardDraft, getReportPrefill, submitReport, type ReportContent, type ReportRead } from '../../../api/generated'
import { problemOf } from '../../../api/problem'
import { useProblemText } from '../../../app/errors'
import { useDraft, useKeepReport, type DraftState } from './draft'
import { forget } from './kept'
import { useSession } from '../../../app/session'

export const SECTIONS = ['clinical', 'technique', 'comparison', 'findings', 'impression', 'recommendation'] as const
const ROWS: Record<(typeof SECTIONS)[number], number> = { clinical: 1, technique: 1, comparison: 1, findings: 5, impression: 3, recommendation: 2 }
const NEEDED = new Set<string>(['findings', 'impression'])

/** Put the text of newly accepted findings behind what is there; nothing typed is lost. */
export function merged(before: ReportContent, filled: ReportContent): Partial<ReportContent> {
  const joined = (name: 'findings' | 'impression' | 'recommendation') => {
    const old = before[name] ?? ''
    const fresh = (filled[name] ?? '').split('\n').filter((line) => line.trim() && !old.includes(line.replace(/^\d+\. /, '').trim()))
    return [old.trimEnd(), ...fresh].filter(Boolean).join('\n')
  }
  const known = new Set((before.items ?? []).map((i) => `${i.result_id ?? ''}:${i.tracking_uid ?? ''}`))
  const items = [...(before.items ?? []), ...(filled.items ?? []).filter((i) => !known.has(`${i.result_id ?? ''}:${i.tracking_uid ?? ''}`))]
  return {
    findings: joined('findings'),
    impression: joined('impression'),
    recommendation: joined('recommendation'),
    polarity: before.polarity ?? filled.polarity ?? null,
    items,
  }
}

function Saved({ state, error }: { state: DraftState; error: unknown }) {
  const { t } = useTranslation('reading')
  const problem = useProblemText()
  return (
    <span className={`hv-draft-state hv-draft-${state}`} role="status">
      {t(`draft.${state}`)}
      {state === 'refused' && ` ${problem(error)}`}
    </span>
  )
}

export function Editor({ report, done }: { report: ReportRead; done: () => void }) {
  const { t } = useTranslation('reading')
  const { me } = useSession()
  const { message } = App.useApp()
  const problem = useProblemText()
  const keepReport = useKeepReport(report.study_id)
  const { content, state, error, change, save, settle } = useDraft(report)
  const [missing, setMissing] = useState<string>()
  const [busy, setBusy] = useState(false)

  const doing = (work: () => Promise<void>) => {
    setBusy(true)
    work()
      .catch((failure: unknown) => {
        const field = (problemOf(failure) as { field?: string } | undefined)?.field
        setMissing(field)
        void message.error(field ? t('incomplete', { field: t(`section.${field}`) }) : problem(failure))
      })
      .finally(() => {
        setBusy(false)
      })
  }
  const submit = () => {
    doing(async () => {
      if (!(await save())) return
      const { data } = await submitReport({ path: { report_id: report.id }, throwOnError: true })
      keepReport(data)
    })
  }
  const fill = () => {
    doing(async () => {
      const language = content.language ?? 'zh'
      const { data } = await getReportPrefill({ path: { study_id: report.study_id }, query: { language }, throwOnError: true })
      change(merged(content, data))
    })
  }
  const discard = () => {
    doing(async () => {
      await discardDraft({ path: { report_id: report.id }, throwOnError: true })
      forget(me.id, report.id)
      done()
    })
  }
  return (
    <div className="hv-editor">
      {state === 'conflict' && (
        <Alert
          type="warning"
          showIcon
          title={t('conflict.title')}
          description={t('conflict.what')}
          action={
            <div className="hv-column">
              <Button size="small" onClick={() => { doing(() => settle(true)) }}>{t('conflict.mine')}</Button>
              <Button size="small" onClick={() => { doing(() => settle(false)) }}>{t('conflict.theirs')}</Button>
            </div>
          }
        />
      )}
      {report.review_comment && <Alert type="info" showIcon title={t('returned', { who: report.reviewer_name })} description={report.review_comment} />}
      <div className="hv-editor-head">
        <Radio.Group
          optionType="button"
          size="small"
          aria-label={t('section.polarity')}
          className={missing === 'polarity' ? 'hv-missing' : ''}
          value={content.polarity ?? undefined}
          onChange={(e) => { change({ polarity: e.target.value as 'positive' | 'negative' }) }}
          options={(['positive', 'negative'] as const).map((value) => ({ value, label: t(`polarity.${value}`) }))}
        />
        <Checkbox checked={content.critical ?? false} onChange={(e) => { change({ critical: e.target.checked }) }}>{t('critical')}</Checkbox>
        <span className="hv-grow" />
        <Select<'zh' | 'en'>
          size="small"
          aria-label={t('language')}
          value={content.language ?? 'zh'}
          onChange={(language) => { change({ language }) }}
          options={[{ value: 'zh', label: '中文' }, { value: 'en', label: 'English' }]}
        />
      </div>
      {SECTIONS.map((name) => (
        <label key={name} className="hv-section">
          <span>{t(`section.${name}`)}{NEEDED.has(name) && <i aria-hidden> *</i>}</span>
          <Input.TextArea
            value={content[name] ?? ''}
            autoSize={{ minRows: ROWS[name], maxRows: 16 }}
            maxLength={20000}
            status={missing === name ? 'error' : ''}
            onChange={(e) => {
              if (missing === name) setMissing(undefined)
              change({ [name]: e.target.value })
            }}
          />
        </label>
      ))}
      <div className="hv-editor-foot">
        <Button type="primary" icon={<SendOutlined />} loading={busy} onClick={submit}>{t('submit')}</Button>
        <Button icon={<ImportOutlined />} disabled={busy} onClick={fill}>{t('fill')}</Button>
        <Popconfirm title={t('discard.ask')} okText={t('discard.yes')} cancelText={t('common:cancel')} onConfirm={discard}>
          <Button type="text" danger disabled={busy}>{t('discard.title')}</Button>
        </Popconfirm>
        <span className="hv-grow" />
        <Saved state={state} error={error} />
      </div>
    </div>
  )
}
