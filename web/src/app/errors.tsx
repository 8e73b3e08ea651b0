// SPDX-License-Identifier: Apache-2.0
// What went wrong and what to do about it, in the person's language.
import { LockOutlined } from '@ant-design/icons'
import { Alert, Button, Result } from 'antd'
import { useTranslation } from 'react-i18next'
import { isRouteErrorResponse, useNavigate, useRouteError } from 'react-router'
import { codeOf, problemOf } from '../api/problem'

/** Return a function that says an error in one sentence. */
export function useProblemText(): (error: unknown) => string {
  const { t, i18n } = useTranslation()
  return (error) => {
    const problem = problemOf(error)
    if (!problem) return t('problem.network')
    const code = `problem.${codeOf(error) ?? ''}`
    if (i18n.exists(code)) return t(code)
    const byStatus = `problem.status${problem.status}`
    const text = i18n.exists(byStatus) ? t(byStatus) : t('problem.other')
    return i18n.language === 'en' ? `${text} ${problem.detail}` : text
  }
}

/** An error in place of what could not be shown, with a way to try again. */
export function Trouble({ error, retry }: { error: unknown; retry?: () => void }) {
  const { t } = useTranslation()
  const text = useProblemText()
  const id = problemOf(error)?.request_id
  return (
    <Alert
      type={problemOf(error)?.status === 403 ? 'warning' : 'error'}
      showIcon
      title={text(error)}
      description={id ? <span className="hv-dim">{t('problem.request', { id })}</span> : undefined}
      action={
        retry && (
          <Button size="small" onClick={retry}>
            {t('again')}
          </Button>
        )
      }
    />
  )
}

export function Lost() {
  const { t } = useTranslation()
  const go = useNavigate()
  return (
    <Result
      status="404"
      title={t('lost.title')}
      extra={<Button onClick={() => void go('/')}>{t('lost.home')}</Button>}
    />
  )
}

/** A person may sign in, yet see nothing of this. */
export function NoRights() {
  const { t } = useTranslation()
  return <Result icon={<LockOutlined aria-hidden />} title={t('norights.title')} subTitle={t('norights.what')} />
}

/** A screen that broke or could not be loaded. */
export function RouteTrouble() {
  const { t } = useTranslation('broken')
  const error = useRouteError()
  if (isRouteErrorResponse(error) && error.status === 404) return <Lost />
  return (
    <Result
      status="error"
      title={t('title')}
      subTitle={t('what')}
      extra={
        <Button
          type="primary"
          onClick={() => {
            window.location.reload()
          }}
        >
          {t('reload')}
        </Button>
      }
    />
  )
}
