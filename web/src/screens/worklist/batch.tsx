// SPDX-License-Identifier: Apache-2.0
// Analyse up to 100 chosen studies together.
import { useMutation, useQuery } from '@tanstack/react-query'
import { App, Button, Modal, Select, Space } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { createBatch, type Priority } from '../../api/generated'
import { listModelsOptions } from '../../api/generated/@tanstack/react-query.gen'
import { useProblemText } from '../../app/errors'
import { useText } from '../../components/text'

export const MOST = 100

export function BatchButton({ studies, done }: { studies: string[]; done: () => void }) {
  const { t } = useTranslation('worklist')
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button disabled={studies.length === 0 || studies.length > MOST} onClick={() => setOpen(true)}>
        {studies.length > MOST ? t('batch.tooMany', { most: MOST }) : t('batch.button', { count: studies.length })}
      </Button>
      {open && (
        <BatchForm
          studies={studies}
          close={(sent) => {
            setOpen(false)
            if (sent) done()
          }}
        />
      )}
    </>
  )
}

function BatchForm({ studies, close }: { studies: string[]; close: (sent: boolean) => void }) {
  const { t } = useTranslation('worklist')
  const text = useText()
  const problem = useProblemText()
  const { message } = App.useApp()
  const models = useQuery(listModelsOptions())
  const [application, setApplication] = useState('')
  const [priority, setPriority] = useState<Priority>('routine')
  const send = useMutation({
    mutationFn: async () => {
      const { data } = await createBatch({
        body: { studies, application: application || null, priority },
        throwOnError: true,
      })
      return data
    },
    onSuccess: (batch) => {
      message.success(t('batch.sent', { count: batch.total }))
      close(true)
    },
    onError: (error) => message.error(problem(error)),
  })
  const options = [
    { value: '', label: t('batch.automatic') },
    ...(models.data?.items ?? []).filter((m) => m.enabled).map((m) => ({ value: m.id, label: `${text(m.title)} ${m.version}` })),
  ]
  const priorities = ['stat', 'urgent', 'routine', 'bulk'].map((value) => ({ value: value as Priority, label: t(`common:priority.${value}`) }))
  return (
    <Modal open title={t('batch.title', { count: studies.length })} onCancel={() => close(false)} onOk={() => send.mutate()} confirmLoading={send.isPending} okText={t('batch.send')}>
      <Space orientation="vertical" className="hv-wide">
        <label htmlFor="hv-batch-app">{t('batch.application')}</label>
        <Select id="hv-batch-app" className="hv-wide" value={application} onChange={setApplication} options={options} />
        <label htmlFor="hv-batch-priority">{t('column.priority')}</label>
        <Select id="hv-batch-priority" className="hv-wide" value={priority} onChange={setPriority} options={priorities} />
      </Space>
    </Modal>
  )
}
