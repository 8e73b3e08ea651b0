// SPDX-License-Identifier: Apache-2.0
// Roles: built-in ones to read, own ones to make, change and remove.
import { Button, Form, Input, Modal, Popconfirm, Select, Space, Tag } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useQuery } from '@tanstack/react-query'
import { createRole, deleteRole, patchRole, type RoleCreate, type RoleRead } from '../../api/generated'
import { listPermissionsOptions, listRolesOptions } from '../../api/generated/@tanstack/react-query.gen'
import { useSession } from '../../app/session'
import { PagedTable } from '../../components/paged-table'
import { useAct } from './acting'

function RoleForm({ role, close }: { role: RoleRead | undefined; close: () => void }) {
  const { t } = useTranslation('admin')
  const [form] = Form.useForm<RoleCreate>()
  const permissions = useQuery(listPermissionsOptions())
  const save = useAct(async (typed: RoleCreate) => {
    if (!role) await createRole({ body: typed, throwOnError: true })
    else {
      const body = { description: typed.description, permissions: typed.permissions }
      await patchRole({ path: { name: role.name }, body, throwOnError: true })
    }
  }, close)
  const options = (permissions.data?.items ?? []).map((p) => ({ value: p.name, label: p.name }))
  return (
    <Modal open title={t(role ? 'roles.change' : 'roles.new')} onCancel={close} onOk={() => form.submit()} confirmLoading={save.isPending} okText={t('common:save')}>
      <Form form={form} layout="vertical" initialValues={role ?? { permissions: [] }} onFinish={(typed) => save.mutate(typed)}>
        <Form.Item name="name" label={t('roles.name')} extra={t('roles.nameWhat')} rules={[{ required: true, pattern: /^[a-z0-9][a-z0-9_-]{0,62}$/, message: t('roles.nameWrong') }]}>
          <Input disabled={role !== undefined} />
        </Form.Item>
        <Form.Item name="description" label={t('roles.description')}>
          <Input />
        </Form.Item>
        <Form.Item name="permissions" label={t('roles.permissions')}>
          <Select mode="multiple" options={options} />
        </Form.Item>
      </Form>
    </Modal>
  )
}

function Remove({ role }: { role: RoleRead }) {
  const { t } = useTranslation('admin')
  const remove = useAct(() => deleteRole({ path: { name: role.name }, throwOnError: true }))
  return (
    <Popconfirm title={t('roles.removeSure', { name: role.name })} onConfirm={() => remove.mutate(undefined)}>
      <Button size="small" danger>
        {t('common:delete')}
      </Button>
    </Popconfirm>
  )
}

export function Roles() {
  const { t, i18n } = useTranslation('admin')
  const { can } = useSession()
  const [edited, setEdited] = useState<RoleRead | 'new'>()
  const writes = can('roles:write')
  return (
    <>
      {writes && (
        <Button type="primary" className="hv-first-button" onClick={() => setEdited('new')}>
          {t('roles.new')}
        </Button>
      )}
      <PagedTable<RoleRead>
        options={() => listRolesOptions()}
        of=""
        rowKey="name"
        empty={t('empty')}
        columns={[
          { title: t('roles.name'), key: 'title', render: (_, role) => (i18n.language === 'en' ? role.title_en : role.title_zh) || role.name },
          { title: t('roles.kind'), dataIndex: 'built_in', render: (own: boolean) => t(own ? 'roles.builtIn' : 'roles.own') },
          {
            title: t('roles.permissions'),
            dataIndex: 'permissions',
            render: (names: string[]) => (
              <div className="hv-tags">
                {names.map((n) => (
                  <Tag key={n} {...(n === '*' ? {} : { className: 'hv-data' })}>{n === '*' ? t('roles.all') : n}</Tag>
                ))}
              </div>
            ),
          },
          {
            title: t('act'),
            key: 'act',
            render: (_, role) =>
              writes &&
              !role.built_in && (
                <Space>
                  <Button size="small" onClick={() => setEdited(role)}>
                    {t('change')}
                  </Button>
                  <Remove role={role} />
                </Space>
              ),
          },
        ]}
      />
      {edited && <RoleForm role={edited === 'new' ? undefined : edited} close={() => setEdited(undefined)} />}
    </>
  )
}
