// SPDX-License-Identifier: Apache-2.0
// Sign-in page, and the same form over a screen whose session has ended.
import { GlobalOutlined } from '@ant-design/icons'
import { Alert, Button, Form, Input } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { codeOf } from '../../api/problem'
import { useProblemText } from '../../app/errors'
import { useDoor } from '../../app/session'
import { chooseLanguage } from '../../app/liking'
import './login.css'

interface Typed {
  email: string
  password: string
}

/** The form; ``email`` fixed and ``org`` set when somebody signs in again. */
export function SignInForm({ email, org = '' }: { email?: string; org?: string }) {
  const { t } = useTranslation('login')
  const { signIn, signOut } = useDoor()
  const text = useProblemText()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string>()
  const send = async (typed: Typed) => {
    setBusy(true)
    setProblem(undefined)
    try {
      await signIn({ email: email ?? typed.email, password: typed.password, org })
    } catch (error) {
      setProblem(codeOf(error) === 'bad-credentials' ? t('wrong') : text(error))
      setBusy(false)
    }
  }
  return (
    <Form<Typed> layout="vertical" onFinish={(typed) => void send(typed)} requiredMark={false} initialValues={{ email }}>
      {problem && <Alert type="error" showIcon title={problem} className="hv-login-problem" role="alert" />}
      <Form.Item name="email" label={t('email')} rules={[{ required: true, message: t('emailNeeded') }]}>
        <Input autoComplete="username" disabled={email !== undefined} autoFocus={email === undefined} />
      </Form.Item>
      <Form.Item name="password" label={t('password')} rules={[{ required: true, message: t('passwordNeeded') }]}>
        <Input.Password autoComplete="current-password" autoFocus={email !== undefined} visibilityToggle={false} />
      </Form.Item>
      <Button type="primary" htmlType="submit" block loading={busy}>
        {t('send')}
      </Button>
      {email !== undefined && (
        <Button type="link" block onClick={() => void signOut()}>
          {t('other')}
        </Button>
      )}
    </Form>
  )
}

export function LoginPage() {
  const { t, i18n } = useTranslation('login')
  const next = i18n.language === 'en' ? 'zh-CN' : 'en'
  return (
    <main className="hv-login">
      <section className="hv-login-card" aria-labelledby="hv-login-title">
        <div className="hv-login-brand">
          <img src="/favicon.svg" alt="" width={34} height={34} />
          <h1 id="hv-login-title">HealthVision</h1>
        </div>
        <p className="hv-dim">{t('what')}</p>
        <SignInForm />
        <p className="hv-login-note">{t('notice')}</p>
      </section>
      <Button type="text" icon={<GlobalOutlined />} lang={next} onClick={() => { chooseLanguage(next) }}>
        {t('common:language.other')}
      </Button>
    </main>
  )
}
