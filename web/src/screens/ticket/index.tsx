// SPDX-License-Identifier: Apache-2.0
// Accepting an invitation or setting a new password with the token of a link (after the '#').
import { Alert, Button, Form, Input, Result } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { acceptInvite, completePasswordReset } from '../../api/generated/sdk.gen'
import { codeOf } from '../../api/problem'
import { useProblemText } from '../../app/errors'
import '../login/login.css'

export type Ticket = 'invite' | 'reset'
const LEAST = 12 // HV_IDENTITY_PASSWORD_MIN_LENGTH by default; the server decides

/** Which link was opened, by the path of the address. */
export function ticketOf(path: string): Ticket | undefined {
  return path === '/invite' ? 'invite' : path === '/reset' ? 'reset' : undefined
}

interface Typed {
  password: string
  again: string
}

export function TicketPage({ kind }: { kind: Ticket }) {
  const { t } = useTranslation('ticket')
  const text = useProblemText()
  const [token] = useState(() => window.location.hash.slice(1))
  const [busy, setBusy] = useState(false)
  const [done, setDone] = useState(false)
  const [problem, setProblem] = useState<string>()
  const send = async ({ password }: Typed) => {
    setBusy(true)
    setProblem(undefined)
    try {
      const call = kind === 'invite' ? acceptInvite : completePasswordReset
      await call({ body: { token, password }, throwOnError: true })
      setDone(true)
    } catch (error) {
      setProblem(codeOf(error) === 'ticket-expired' ? t('spent') : text(error))
    }
    setBusy(false)
  }
  return (
    <main className="hv-login">
      <section className="hv-login-card" aria-labelledby="hv-ticket-title">
        <div className="hv-login-brand">
          <img src="/favicon.svg" alt="" width={34} height={34} />
          <h1 id="hv-ticket-title">{t(`title.${kind}`)}</h1>
        </div>
        {done || token === '' ? (
          <Result
            status={done ? 'success' : 'warning'}
            subTitle={t(done ? 'done' : 'noToken')}
            extra={
              <Button type="primary" href="/">
                {t('toSignIn')}
              </Button>
            }
          />
        ) : (
          <>
            <p className="hv-dim">{t(`what.${kind}`)}</p>
            <Form<Typed> layout="vertical" requiredMark={false} onFinish={(typed) => void send(typed)}>
              {problem && <Alert type="error" showIcon title={problem} className="hv-login-problem" role="alert" />}
              <Form.Item name="password" label={t('password')} rules={[{ required: true, min: LEAST, message: t('tooShort', { least: LEAST }) }]}>
                <Input.Password autoComplete="new-password" autoFocus visibilityToggle={false} />
              </Form.Item>
              <Form.Item
                name="again"
                label={t('again')}
                dependencies={['password']}
                rules={[
                  ({ getFieldValue }) => ({
                    validator: (_, value) => (value === getFieldValue('password') ? Promise.resolve() : Promise.reject(new Error(t('differ')))),
                  }),
                ]}
              >
                <Input.Password autoComplete="new-password" visibilityToggle={false} />
              </Form.Item>
              <Button type="primary" htmlType="submit" block loading={busy}>
                {t(`send.${kind}`)}
              </Button>
            </Form>
          </>
        )}
      </section>
    </main>
  )
}
