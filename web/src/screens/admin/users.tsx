// SPDX-License-Identifier: Apache-2.0
// People of the organisation: invite, roles, disable, reset the password.
import { Button, Form, Input, Modal, Popconfirm, Select, Space, Tag } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useQuery } from '@tanstack/react-query'
import { disableUser, enableUser, inviteUser, patchUser, startPasswordReset, type InviteCreate, type UserRead } from '../../api/generated'
import { listRolesOptions, listUsersOptions } from '../../api/generated/@tanstack/react-query.gen'
import { useSession } from '../../app/session'
import { PagedTable } from '../../components/paged-table'
import { SecretOnce } from '../../components/secret'
import { moment } from '../../components/text'
import { useAct } from './acting'
import { useTextInAddress } from './in-address'

function useRoleNames() {
  const { i18n } = useTranslation()
  const roles = useQuery(listRolesOptions())
  const items = roles.data?.items ?? []
  const name = (id: string) => {
    const role = items.find((r) => r.name === id)
    return (i18n.language === 'en' ? role?.title_en : role?.title_zh) || id
  }
  return { name, options: items.map((r) => ({ value: r.name, label: name(r.name) })) }
}

function Roles({ user }: { user: UserRead }) {
  const { t } = useTranslation('admin')
  const { can } = useSession()
  const { name, options } = useRoleNames()
  const change = useAct((roles: string[]) => patchUser({ path: { user_id: user.id }, body: { roles }, throwOnError: true }))
  if (!can('users:write')) return user.roles.map((r) => <Tag key={r}>{name(r)}</Tag>)
  return (
    <Select
      mode="multiple"
      className="hv-roles"
      value={user.roles}
      options={options}
      onChange={(roles: string[]) => roles.length > 0 && change.mutate(roles)}
      aria-label={t('users.roles')}
    />
  )
}

function Invite({ close, made }: { close: () => void; made: (url: string) => void }) {
  const { t } = useTranslation('admin')
  const { options } = useRoleNames()
  const [form] = Form.useForm<InviteCreate>()
  const send = useAct(
    (body: InviteCreate) => inviteUser({ body, throwOnError: true }),
    ({ data }) => {
      made(data.url)
      close()
    },
  )
  return (
    <Modal open title={t('users.invite')} onCancel={close} onOk={() => form.submit()} confirmLoading={send.isPending} okText={t('users.send')}>
      <Form form={form} layout="vertical" onFinish={(typed) => send.mutate(typed)} initialValues={{ language: 'zh', roles: ['radiologist'] }}>
        <Form.Item name="name" label={t('users.name')} rules={[{ required: true, message: t('needed') }]}>
          <Input />
        </Form.Item>
        <Form.Item name="email" label={t('users.email')} rules={[{ required: true, type: 'email', message: t('users.emailWrong') }]}>
          <Input />
        </Form.Item>
        <Form.Item name="roles" label={t('users.roles')} rules={[{ required: true, message: t('needed') }]}>
          <Select mode="multiple" options={options} />
        </Form.Item>
      </Form>
    </Modal>
  )
}

function Acts({ user, shown }: { user: UserRead; shown: (url: string) => void }) {
  const { t } = useTranslation('admin')
  const path = { user_id: user.id }
  const turn = useAct(() => (user.status === 'disabled' ? enableUser : disableUser)({ path, throwOnError: true }))
  const reset = useAct(
    () => startPasswordReset({ path, throwOnError: true }),
    ({ data }) => {
      shown(data.url)
    },
  )
  return (
    <Space>
      <Popconfirm title={t(user.status === 'disabled' ? 'users.enableSure' : 'users.disableSure', { name: user.name })} onConfirm={() => turn.mutate(undefined)}>
        <Button size="small">{t(user.status === 'disabled' ? 'users.enable' : 'users.disable')}</Button>
      </Popconfirm>
      <Button size="small" onClick={() => reset.mutate(undefined)}>
        {t('users.reset')}
      </Button>
    </Space>
  )
}

function NobodyFound({ clear }: { clear: () => void }) {
  const { t } = useTranslation('admin')
  return (
    <Space orientation="vertical">
      {t('users.nobody')}
      <Button size="small" onClick={clear}>
        {t('users.everybody')}
      </Button>
    </Space>
  )
}

export function Users() {
  const { t } = useTranslation('admin')
  const { can } = useSession()
  const [open, setOpen] = useState(false)
  const [link, setLink] = useState<string>()
  const [q, search] = useTextInAddress('q')
  const writes = can('users:write')
  return (
    <>
      <div className="hv-filters" role="search">
        <Input.Search
          key={q}
          defaultValue={q}
          maxLength={100}
          allowClear
          placeholder={t('users.search')}
          aria-label={t('users.search')}
          onSearch={search}
        />
        {writes && (
          <Button type="primary" onClick={() => setOpen(true)}>
            {t('users.invite')}
          </Button>
        )}
      </div>
      <PagedTable<UserRead>
        options={(cursor) => listUsersOptions({ query: { q, cursor, limit: 50 } })}
        of={q}
        rowKey="id"
        empty={q ? <NobodyFound clear={() => search('')} /> : t('empty')}
        columns={[
          { title: t('users.name'), dataIndex: 'name' },
          { title: t('users.email'), dataIndex: 'email' },
          { title: t('users.roles'), key: 'roles', render: (_, user) => <Roles user={user} /> },
          { title: t('state'), dataIndex: 'status', render: (status: string) => t(`users.status.${status}`) },
          { title: t('since'), dataIndex: 'created_at', render: (at: string) => <span className="hv-num">{moment(at)}</span> },
          ...(writes ? [{ title: t('act'), key: 'act', render: (_: unknown, user: UserRead) => <Acts user={user} shown={setLink} /> }] : []),
        ]}
      />
      {open && <Invite close={() => setOpen(false)} made={setLink} />}
      {link && <SecretOnce title={t('users.link')} secret={link} close={() => setLink(undefined)} />}
    </>
  )
}
