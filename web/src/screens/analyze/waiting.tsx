// SPDX-License-Identifier: Apache-2.0
// Uploads that stopped half-way before the page was left: each goes on with the same file.
import { useQueries } from '@tanstack/react-query'
import { Alert, App, Button } from 'antd'
import { useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { UploadRead } from '../../api/generated'
import { getUploadOptions } from '../../api/generated/@tanstack/react-query.gen'
import { bytes } from '../../components/text'
import { begun, dismiss, isOf, useJobs } from './jobs'

function percent(upload: UploadRead): number {
  const there = upload.parts.filter((p) => p.done).reduce((sum, p) => sum + p.size, 0)
  return Math.floor((100 * there) / Math.max(1, upload.size))
}

function Half({ upload, bring, gone }: { upload: UploadRead; bring: (files: File[]) => void; gone: () => void }) {
  const { t } = useTranslation('analyze')
  const { message } = App.useApp()
  const input = useRef<HTMLInputElement>(null)
  const chosen = (file: File | undefined) => {
    if (!file) return
    if (isOf(file, upload.id)) bring([file])
    else message.warning(t('half.other', { name: upload.filename }))
  }
  return (
    <Alert
      type="info"
      showIcon
      className="hv-half"
      title={<span className="hv-data">{upload.filename}</span>}
      description={t('half.what', { size: bytes(upload.size), percent: percent(upload) })}
      action={
        <>
          <Button size="small" type="primary" onClick={() => input.current?.click()}>
            {t('half.choose')}
          </Button>
          <Button
            size="small"
            type="text"
            onClick={() => {
              dismiss(upload.id)
              gone()
            }}
          >
            {t('forget')}
          </Button>
          <input
            ref={input}
            type="file"
            hidden
            aria-label={t('half.choose')}
            onChange={(event) => {
              chosen(event.target.files?.[0])
              event.target.value = ''
            }}
          />
        </>
      }
    />
  )
}

/** What was begun in this browser before the screen was opened; what this page itself sends is not offered. */
export function HalfWay({ bring }: { bring: (files: File[]) => void }) {
  const [ids, setIds] = useState(begun)
  const asked = useQueries({ queries: [...ids].map((upload_id) => getUploadOptions({ path: { upload_id } })) })
  const jobs = useJobs((s) => s.jobs)
  const under = new Set(jobs.map((j) => j.upload))
  const found = asked.map((a) => a.data).filter((u) => u?.state === 'waiting' && ids.has(u.id) && !under.has(u.id)) as UploadRead[]
  return found.map((upload) => <Half key={upload.id} upload={upload} bring={bring} gone={() => setIds(begun())} />)
}
