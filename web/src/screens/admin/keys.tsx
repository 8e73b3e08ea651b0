// SPDX-License-Identifier: Apache-2.0
// API keys: made (shown once), seen, revoked.
import { Button, Form, Input, InputNumber, Modal, Popconfirm, Select, Switch, Tag } from 'antd'
import dayjs from 'dayjs'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useQuery } from '@tanstack/react-query'
import { createApiKey, revokeApiKey, type ApiKeyRead } from '../../api/generated'
import { listApiKeysOptions, listPermissionsOptions } from '../../api/generated/@tanstack/react-query.gen'
import { PagedTable } from '../../components/paged-table'
import { SecretOnce } from '../../components/secret'
import { moment } from '../../components/text'
import { useAct } from './acting'

interface Typed {
  name: string
  days: number | null
  service: boolean
  scopes: string[]
}

function NewKey({ close, made }: { close: () => void; made: (secret: string) => void }) {
  const { t } = useTranslation('admin')
  const [form] = Form.useForm<Typed>()
  const permissions = useQuery(listPermissionsOptions())
  const make = useAct(
    (typed: Typed) =>
      createApiKey({
        body: {
          name: typed.name,
          service: typed.service,
          scopes: typed.scopes,
          expires_at: typed.days ? dayjs().add(typed.days, 'day').toISOString() : null,
        },
        throwOnError: true,
      }),
    ({ data }) => {
      made(data.secret)
      close()
    },
  )
  const options = (permissions.data?.items ?? []).map((p) => ({ value: p.name, label: p.name }))
  return (
    <Modal open title={t('keys.new')} onCancel={close} onOk={() => form.submit()} confirmLoading={make.isPending} okText={t('keys.make')}>
      <Form form={form} layout="vertical" initialValues={{ days: 90, service: false, scopes: [] }} onFinish={(typed) => make.mutate(typed)}>
        <Form.Item name="name" label={t('keys.name')} rules={[{ required: true, message: t('needed') }]}>
          <Input />
        </Form.Item>
        <Form.Item name="days" label={t('keys.days')}>
          <InputNumber min={1} max={3650} controls={false} />
        </Form.Item>
        <Form.Item name="service" label={t('keys.service')} valuePropName="checked">
          <Switch />
        </Form.Item>
        <Form.Item name="scopes" label={t('keys.scopes')} extra={t('keys.scopesWhat')}>
          <Select mode="multiple" options={options} />
        </Form.Item>
      </Form>
    </Modal>
  )
}

function Revoke({ apiKey }: { apiKey: ApiKeyRead }) {
  const { t } = useTranslation('admin')
  const revoke = useAct(() => revokeApiKey({ path: { key_id: apiKey.id }, throwOnError: true }))
  if (apiKey.revoked_at) return <span className="hv-dim">{t('keys.revoked')}</span>
  return (
    <Popconfirm title={t('keys.revokeSure', { name: apiKey.name })} onConfirm={() => revoke.mutate(undefined)}>
      <Button size="small" danger>
        {t('keys.revoke')}
      </Button>
    </Popconfirm>
  )
}

export function Keys() {
  const { t } = useTranslation('admin')
  const [open, setOpen] = useState(false)
  const [secret, setSecret] = useState<string>()
  return (
    <>
      <Button type="primary" className="hv-first-button" onClick={() => setOpen(true)}>
        {t('keys.new')}
      </Button>
      <PagedTable<ApiKeyRead>
        options={(cursor) => listApiKeysOptions({ query: { cursor, limit: 50 } })}
        of=""
        rowKey="id"
        empty={t('empty')}
        columns={[
          { title: t('keys.name'), dataIndex: 'name' },
          { title: t('keys.prefix'), dataIndex: 'prefix', render: (p: string) => <code>hv_{p}_…</code> },
          { title: t('keys.of'), dataIndex: 'user_id', render: (id: string | null) => t(id ? 'keys.person' : 'keys.program') },
          {
            title: t('keys.scopes'),
            dataIndex: 'scopes',
            render: (names: string[]) => (
              <div className="hv-tags">{names.length === 0 ? t('keys.allOfOwner') : names.map((n) => <Tag key={n} className="hv-data">{n}</Tag>)}</div>
            ),
          },
          { title: t('keys.used'), dataIndex: 'last_used_at', render: (at: string | null) => <span className="hv-num">{moment(at)}</span> },
          { title: t('keys.ends'), dataIndex: 'expires_at', render: (at: string | null) => <span className="hv-num">{moment(at)}</span> },
          { title: t('act'), key: 'act', render: (_, key) => <Revoke apiKey={key} /> },
        ]}
      />
      {open && <NewKey close={() => setOpen(false)} made={setSecret} />}
      {secret && <SecretOnce title={t('keys.secret')} secret={secret} close={() => setSecret(undefined)} />}
    </>
  )
}
