// SPDX-License-Identifier: Apache-2.0
// Before the screens: sign-in page, and the same form over the screen when the session has ended.
import { Button, Modal, Result, Spin } from 'antd'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { LoginPage, SignInForm } from '../screens/login'
import { TicketPage, ticketOf } from '../screens/ticket'
import { useDoor } from './session'

export function Gate({ children }: { children: ReactNode }) {
  const { t } = useTranslation()
  const { session, expired, failed, retry } = useDoor()
  const ticket = ticketOf(window.location.pathname)
  if (ticket) return <TicketPage kind={ticket} />
  if (session === undefined) {
    if (!failed) return <Spin fullscreen description={t('loading')} />
    return (
      <Result
        status="warning"
        title={t('offline.title')}
        subTitle={t('offline.what')}
        extra={<Button onClick={retry}>{t('again')}</Button>}
      />
    )
  }
  if (session === null) return <LoginPage />
  return (
    <>
      {children}
      <Modal open={expired} closable={false} footer={null} title={t('expired.title')} mask={{ closable: false }} keyboard={false} destroyOnHidden>
        <p>{t('expired.what')}</p>
        <SignInForm email={session.me.user?.email} org={session.me.org_id} />
      </Modal>
    </>
  )
}
