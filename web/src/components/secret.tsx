// SPDX-License-Identifier: Apache-2.0
// A secret that is shown once: copy it now.
import { CopyOutlined } from '@ant-design/icons'
import { Alert, App, Button, Modal } from 'antd'
import { useTranslation } from 'react-i18next'

export function SecretOnce({ title, secret, close }: { title: string; secret: string; close: () => void }) {
  const { t } = useTranslation()
  const { message } = App.useApp()
  const copy = () => {
    void navigator.clipboard.writeText(secret).then(() => message.success(t('api.copied')))
  }
  return (
    <Modal open title={title} onOk={close} onCancel={close} cancelButtonProps={{ hidden: true }} okText={t('secret.kept')} mask={{ closable: false }}>
      <Alert type="warning" showIcon title={t('secret.once')} />
      <p>
        <code className="hv-secret">{secret}</code>
      </p>
      <Button icon={<CopyOutlined />} onClick={copy}>
        {t('copy')}
      </Button>
    </Modal>
  )
}
