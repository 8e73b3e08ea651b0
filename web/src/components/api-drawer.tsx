// SPDX-License-Identifier: Apache-2.0
// Every call behind the open screen, as curl and as Python, ready to run with an API key.
import { CopyOutlined } from '@ant-design/icons'
import { App, Button, Collapse, Drawer, Empty, Segmented, Tag } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { LEFT_OUT, type RecordedCall, useRecorder } from '../api/recorder'
import { asCurl, asPython } from './api-words'
import './api-drawer.css'

type Tongue = 'curl' | 'python'

function Code({ call, tongue }: { call: RecordedCall; tongue: Tongue }) {
  const { t } = useTranslation()
  const { message } = App.useApp()
  const text = tongue === 'curl' ? asCurl(call, window.location.origin) : asPython(call, window.location.origin)
  const copy = async () => {
    await navigator.clipboard.writeText(text)
    message.success(t('api.copied'))
  }
  return (
    <div className="hv-code">
      {call.method !== 'GET' && <p className="hv-dim">{t(call.sends === 'part' ? 'api.part' : 'api.writes')}</p>}
      {call.body?.includes(LEFT_OUT) && <p className="hv-dim">{t('api.secret', { mark: LEFT_OUT })}</p>}
      <pre tabIndex={0}>{text}</pre>
      <Button size="small" icon={<CopyOutlined />} onClick={() => void copy()}>
        {t('api.copy')}
      </Button>
    </div>
  )
}

export function ApiDrawer({ open, close }: { open: boolean; close: () => void }) {
  const { t } = useTranslation()
  const calls = useRecorder((s) => s.calls)
  const [tongue, setTongue] = useState<Tongue>('curl')
  const items = [...calls].reverse().map((call) => ({
    key: call.id,
    label: (
      <span className="hv-call">
        <Tag color={call.method === 'GET' ? 'blue' : 'gold'}>{call.method}</Tag>
        <code>{call.path}</code>
      </span>
    ),
    children: <Code call={call} tongue={tongue} />,
  }))
  return (
    <Drawer
      open={open}
      onClose={close}
      title={t('api.title')}
      size={620}
      extra={
        <Segmented
          aria-label={t('api.tongue')}
          value={tongue}
          onChange={setTongue}
          options={[
            { value: 'curl', label: 'curl' },
            { value: 'python', label: 'Python' },
          ]}
        />
      }
    >
      <p className="hv-dim">{t('api.what')}</p>
      {items.length > 0 ? <Collapse size="small" items={items} /> : <Empty description={t('api.none')} />}
    </Drawer>
  )
}
