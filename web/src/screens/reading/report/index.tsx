// SPDX-License-Identifier: Apache-2.0
// The report of a study in whatever state it is.
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { App, Button, Empty, Input, Popconfirm, Spin, Tag } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { addAddendum, amendReport, createReport, takeOverReport, type ReportRead } from '../../../api/generated'
import { Trouble, useProblemText } from '../../../app/errors'
import { useSession } from '../../../app/session'
import { reportKey, reportOf, useKeepReport } from './draft'
import { Editor } from './editor'
import { Review } from './review'
import { Files, Signed, Words } from './signed'

type Work = Promise<{ data: unknown }>

function useWork(study: string) {
  const { message } = App.useApp()
  const problem = useProblemText()
  const keepReport = useKeepReport(study)
  const [busy, setBusy] = useState(false)
  const run = (work: Work, then?: () => void) => {
    setBusy(true)
    work
      .then(({ data }) => {
        keepReport(data as ReportRead)
        then?.()
      })
      .catch((error: unknown) => message.error(problem(error)))
      .finally(() => { setBusy(false) })
  }
  return { busy, run }
}

function Begin({ study }: { study: string }) {
  const { t, i18n } = useTranslation('reading')
  const { can } = useSession()
  const { busy, run } = useWork(study)
  const language = i18n.language === 'en' ? 'en' : 'zh'
  return (
    <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={t('report.none')}>
      {can('reports:write') && (
        <Button type="primary" loading={busy} onClick={() => { run(createReport({ body: { study_id: study, language }, throwOnError: true })) }}>
          {t('report.begin')}
        </Button>
      )}
      {can('reports:write') && <p className="hv-dim">{t('report.beginWhat')}</p>}
    </Empty>
  )
}

function Final({ report, refresh }: { report: ReportRead; refresh: () => void }) {
  const { t } = useTranslation('reading')
  const { can } = useSession()
  const { busy, run } = useWork(report.study_id)
  const [adding, setAdding] = useState(false)
  const [text, setText] = useState('')
  const path = { report_id: report.id }
  return (
    <>
      <Signed report={report} />
      <div className="hv-editor-foot">
        <Files report={report} refresh={refresh} />
        {can('reports:write') && !adding && <Button onClick={() => { setAdding(true) }}>{t('addendum.add')}</Button>}
        {can('reports:write') && (
          <Popconfirm
            title={t('amend.ask')}
            okText={t('amend.title')}
            cancelText={t('common:cancel')}
            onConfirm={() => { run(amendReport({ path, throwOnError: true })) }}
          >
            <Button disabled={busy}>{t('amend.title')}</Button>
          </Popconfirm>
        )}
      </div>
      {adding && (
        <div className="hv-column">
          <Input.TextArea
            value={text}
            autoSize={{ minRows: 3 }}
            maxLength={20000}
            aria-label={t('addendum.title')}
            placeholder={t('addendum.what')}
            onChange={(e) => { setText(e.target.value) }}
          />
          <div className="hv-editor-foot">
            <Button
              type="primary"
              loading={busy}
              disabled={!text.trim()}
              onClick={() => {
                run(addAddendum({ path, body: { text: text.trim() }, throwOnError: true }), () => {
                  setAdding(false)
                  setText('')
                })
              }}
            >
              {t('addendum.sign')}
            </Button>
            <Button onClick={() => { setAdding(false) }}>{t('common:cancel')}</Button>
          </div>
        </div>
      )}
    </>
  )
}

function OfAnother({ report }: { report: ReportRead }) {
  const { t } = useTranslation('reading')
  const { can } = useSession()
  const { busy, run } = useWork(report.study_id)
  return (
    <>
      <p className="hv-dim">{t('report.another', { who: report.author_name })}</p>
      <Words content={report.content} />
      {can('reports:write') && (
        <Popconfirm
          title={t('takeOver.ask', { who: report.author_name })}
          okText={t('takeOver.title')}
          cancelText={t('common:cancel')}
          onConfirm={() => { run(takeOverReport({ path: { report_id: report.id }, throwOnError: true })) }}
        >
          <Button loading={busy}>{t('takeOver.title')}</Button>
        </Popconfirm>
      )}
    </>
  )
}

const COLOURS = { draft: 'default', submitted: 'blue', final: 'green', amending: 'gold' } as const

export function ReportPart({ study }: { study: string }) {
  const { t } = useTranslation('reading')
  const queries = useQueryClient()
  const found = useQuery({ queryKey: reportKey(study), queryFn: ({ signal }) => reportOf(study, signal) })
  const refresh = () => void queries.resetQueries({ queryKey: reportKey(study) })
  if (found.error && found.data === undefined) return <Trouble error={found.error} retry={() => void found.refetch()} />
  if (found.data === undefined) return <Spin />
  if (found.data === null) return <Begin study={study} />
  const report = found.data
  const working = report.state === 'draft' || report.state === 'amending'
  return (
    <div className="hv-report">
      <p className="hv-report-state">
        <Tag color={COLOURS[report.state]}>{t(`report.state.${report.state}`)}</Tag>
        <span className="hv-dim">{report.author_name}</span>
      </p>
      {working && report.mine && <Editor key={report.id} report={report} done={refresh} />}
      {working && !report.mine && <OfAnother report={report} />}
      {report.state === 'submitted' && <Review report={report} />}
      {report.state === 'final' && <Final report={report} refresh={refresh} />}
      {report.state !== 'final' && report.version > 0 && (
        <details>
          <summary>{t('report.signedBefore')}</summary>
          <Signed report={report} />
        </details>
      )}
    </div>
  )
}
