// SPDX-License-Identifier: Apache-2.0
// The second doctor: sign, or give back with a comment. The author may take it back meanwhile.
import { App, Button, Input, Popconfirm } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { recallReport, reviewReport, type ReportRead } from '../../../api/generated'
import { useProblemText } from '../../../app/errors'
import { useSession } from '../../../app/session'
import { tagOf, useKeepReport } from './draft'
import { Words } from './signed'

export function Review({ report }: { report: ReportRead }) {
  const { t } = useTranslation('reading')
  const { can } = useSession()
  const { message } = App.useApp()
  const problem = useProblemText()
  const keepReport = useKeepReport(report.study_id)
  const [comment, setComment] = useState('')
  const [busy, setBusy] = useState(false)
  const doing = (work: Promise<{ data: ReportRead }>) => {
    setBusy(true)
    work
      .then(({ data }) => { keepReport(data) })
      .catch((error: unknown) => message.error(problem(error)))
      .finally(() => { setBusy(false) })
  }
  const say = (approve: boolean) => {
    const headers = { 'if-match': tagOf(report) }
    doing(reviewReport({ path: { report_id: report.id }, body: { approve, comment: comment.trim() }, headers, throwOnError: true }))
  }
  return (
    <div className="hv-review">
      <p className="hv-dim">{t('review.waits', { who: report.author_name })}</p>
      <Words content={report.content} />
      {report.mine && (
        <Button loading={busy} onClick={() => { doing(recallReport({ path: { report_id: report.id }, throwOnError: true })) }}>
          {t('review.recall')}
        </Button>
      )}
      {can('reports:review') && (
        <>
          <Input.TextArea
            value={comment}
            autoSize={{ minRows: 2 }}
            maxLength={4000}
            aria-label={t('review.comment')}
            placeholder={t('review.comment')}
            onChange={(e) => { setComment(e.target.value) }}
          />
          <div className="hv-editor-foot">
            <Popconfirm title={t('review.ask')} okText={t('review.sign')} cancelText={t('common:cancel')} onConfirm={() => { say(true) }}>
              <Button type="primary" loading={busy}>{t('review.sign')}</Button>
            </Popconfirm>
            <Button disabled={busy || !comment.trim()} onClick={() => { say(false) }}>{t('review.return')}</Button>
          </div>
        </>
      )}
    </div>
  )
}
