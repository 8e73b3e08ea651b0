// SPDX-License-Identifier: Apache-2.0
// Webhooks: who is told of what, what was delivered, what failed, send again.
import { Button, Form, Input, Modal, Popconfirm, Select, Space, Switch } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { createSubscription, redeliver, removeSubscription, rotateSecret, sendTest, updateSubscription, type DeliveryRead, type SubscriptionRead } from '../../api/generated'
import { listDeliveriesOptions, listSubscriptionsOptions } from '../../api/generated/@tanstack/react-query.gen'
import { useSession } from '../../app/session'
import { PagedTable } from '../../components/paged-table'
import { SecretOnce } from '../../components/secret'
import { moment } from '../../components/text'
import { useAct } from './acting'

const TOPICS = ['analysis.result_ready.v1', 'analysis.task_failed.v1', 'analysis.*', 'archive.study_complete.v1', 'archive.*', 'reading.*', 'identity.*']

interface Typed {
  name: string
  url: string
  topics: string[]
}

function NewWebhook({ close, made }: { close: () => void; made: (secret: string) => void }) {
  const { t } = useTranslation('admin')
  const [form] = Form.useForm<Typed>()
  const make = useAct(
    ({ name, url, topics }: Typed) =>
      createSubscription({ body: { name, topics, channel: 'webhook', config: { url } }, throwOnError: true }),
    ({ data }) => {
      if (data.secret) made(data.secret)
      close()
    },
  )
  return (
    <Modal open title={t('hooks.new')} onCancel={close} onOk={() => form.submit()} confirmLoading={make.isPending} okText={t('common:save')}>
      <Form form={form} layout="vertical" initialValues={{ topics: ['analysis.result_ready.v1'] }} onFinish={(typed) => make.mutate(typed)}>
        <Form.Item name="name" label={t('hooks.name')} rules={[{ required: true, message: t('needed') }]}>
          <Input />
        </Form.Item>
        <Form.Item name="url" label={t('hooks.url')} rules={[{ required: true, type: 'url', message: t('hooks.urlWrong') }]}>
          <Input placeholder="https://" />
        </Form.Item>
        <Form.Item name="topics" label={t('hooks.topics')} rules={[{ required: true, message: t('needed') }]}>
          <Select mode="tags" options={TOPICS.map((value) => ({ value, label: value }))} />
        </Form.Item>
      </Form>
    </Modal>
  )
}

function Again({ delivery }: { delivery: DeliveryRead }) {
  const { t } = useTranslation('admin')
  const again = useAct(() =>
    redeliver({ path: { subscription_id: delivery.subscription_id, delivery_id: delivery.id }, throwOnError: true }),
  )
  return (
    <Button size="small" onClick={() => again.mutate(undefined)}>
      {t('hooks.again')}
    </Button>
  )
}

function Deliveries({ id }: { id: string }) {
  const { t } = useTranslation('admin')
  const { can } = useSession()
  return (
    <PagedTable<DeliveryRead>
      options={(cursor) => listDeliveriesOptions({ path: { subscription_id: id }, query: { cursor, limit: 20 } })}
      of={id}
      rowKey="id"
      empty={t('hooks.noDeliveries')}
      columns={[
        { title: t('at'), dataIndex: 'event_at', render: (at: string) => <span className="hv-num">{moment(at, true)}</span> },
        { title: t('hooks.topic'), dataIndex: 'topic', render: (topic: string) => <code>{topic}</code> },
        { title: t('state'), dataIndex: 'state', render: (state: string) => t(`hooks.state.${state}`) },
        { title: t('hooks.attempts'), dataIndex: 'attempts', align: 'right' },
        { title: t('hooks.error'), dataIndex: 'last_error', render: (text: string | null) => text ?? '—' },
        { title: t('act'), key: 'act', render: (_, d) => can('notify:write') && d.state === 'dead' && <Again delivery={d} /> },
      ]}
    />
  )
}

function Acts({ hook, shown }: { hook: SubscriptionRead; shown: (secret: string) => void }) {
  const { t } = useTranslation('admin')
  const path = { subscription_id: hook.id }
  const test = useAct(() => sendTest({ path, throwOnError: true }))
  const remove = useAct(() => removeSubscription({ path, throwOnError: true }))
  const rotate = useAct(
    () => rotateSecret({ path, throwOnError: true }),
    ({ data }) => {
      shown(data.secret)
    },
  )
  return (
    <Space>
      <Button size="small" onClick={() => test.mutate(undefined)}>
        {t('hooks.test')}
      </Button>
      {hook.channel === 'webhook' && (
        <Button size="small" onClick={() => rotate.mutate(undefined)}>
          {t('hooks.rotate')}
        </Button>
      )}
      <Popconfirm title={t('hooks.removeSure', { name: hook.name })} onConfirm={() => remove.mutate(undefined)}>
        <Button size="small" danger>
          {t('common:delete')}
        </Button>
      </Popconfirm>
    </Space>
  )
}

function Enabled({ hook }: { hook: SubscriptionRead }) {
  const { t } = useTranslation('admin')
  const { can } = useSession()
  const turn = useAct((enabled: boolean) =>
    updateSubscription({ path: { subscription_id: hook.id }, body: { enabled }, throwOnError: true }),
  )
  return (
    <Switch size="small" checked={hook.enabled} disabled={!can('notify:write')} onChange={(on) => turn.mutate(on)} aria-label={t('hooks.enabled')} />
  )
}

export function Webhooks() {
  const { t } = useTranslation('admin')
  const { can } = useSession()
  const [open, setOpen] = useState(false)
  const [secret, setSecret] = useState<string>()
  const writes = can('notify:write')
  return (
    <>
      {writes && (
        <Button type="primary" className="hv-first-button" onClick={() => setOpen(true)}>
          {t('hooks.new')}
        </Button>
      )}
      <PagedTable<SubscriptionRead>
        options={(cursor) => listSubscriptionsOptions({ query: { cursor, limit: 50 } })}
        of=""
        rowKey="id"
        empty={t('hooks.none')}
        expandable={{ expandedRowRender: (hook) => <Deliveries id={hook.id} />, columnTitle: <span className="hv-hidden">{t('hooks.deliveries')}</span> }}
        columns={[
          { title: t('hooks.name'), dataIndex: 'name' },
          { title: t('hooks.channel'), dataIndex: 'channel', render: (c: string) => t(`hooks.channels.${c}`, { defaultValue: c }) },
          { title: t('hooks.to'), key: 'to', render: (_, hook) => String(hook.config.url ?? hook.config.to ?? '—') },
          { title: t('hooks.topics'), dataIndex: 'topics', render: (topics: string[]) => <code>{topics.join(', ')}</code> },
          { title: t('hooks.enabled'), key: 'on', render: (_, hook) => <Enabled hook={hook} /> },
          ...(writes ? [{ title: t('act'), key: 'act', render: (_: unknown, hook: SubscriptionRead) => <Acts hook={hook} shown={setSecret} /> }] : []),
        ]}
      />
      {open && <NewWebhook close={() => setOpen(false)} made={setSecret} />}
      {secret && <SecretOnce title={t('hooks.secret')} secret={secret} close={() => setSecret(undefined)} />}
    </>
  )
}
