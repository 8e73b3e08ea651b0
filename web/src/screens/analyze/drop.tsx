// SPDX-License-Identifier: Apache-2.0
// Where files and folders are dropped or chosen.
import { FolderOpenOutlined, InboxOutlined } from '@ant-design/icons'
import { Button } from 'antd'
import { useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'

function entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader()
  const found: FileSystemEntry[] = []
  return new Promise((resolve, reject) => {
    const more = () => {
      reader.readEntries((entries) => {
        found.push(...entries)
        if (entries.length > 0) more()
        else resolve(found)
      }, reject)
    }
    more()
  })
}

async function filesOf(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile) return [await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))]
  const entries = await entriesOf(entry as FileSystemDirectoryEntry)
  return (await Promise.all(entries.map(filesOf))).flat()
}

async function dropped(data: DataTransfer): Promise<File[]> {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry()).filter((e) => e !== null)
  if (entries.length === 0) return [...data.files]
  return (await Promise.all(entries.map(filesOf))).flat()
}

export function Drop({ bring }: { bring: (files: File[]) => void }) {
  const { t } = useTranslation('analyze')
  const [over, setOver] = useState(false)
  const files = useRef<HTMLInputElement>(null)
  const folder = useRef<HTMLInputElement>(null)
  const chosen = (input: HTMLInputElement) => {
    const found = [...(input.files ?? [])].filter((f) => f.size > 0 && !f.name.startsWith('.'))
    input.value = ''
    if (found.length > 0) bring(found)
  }
  return (
    <section
      className={over ? 'hv-drop hv-drop-over' : 'hv-drop'}
      aria-label={t('drop.label')}
      onDragOver={(event) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault()
        setOver(false)
        void dropped(event.dataTransfer).then((found) => {
          const good = found.filter((f) => f.size > 0 && !f.name.startsWith('.'))
          if (good.length > 0) bring(good)
        })
      }}
    >
      <InboxOutlined className="hv-drop-icon" />
      <p className="hv-drop-what">{t('drop.what')}</p>
      <p className="hv-dim">{t('drop.kinds')}</p>
      <div className="hv-drop-buttons">
        <Button type="primary" onClick={() => files.current?.click()}>
          {t('drop.files')}
        </Button>
        <Button icon={<FolderOpenOutlined />} onClick={() => folder.current?.click()}>
          {t('drop.folder')}
        </Button>
      </div>
      <input ref={files} type="file" multiple hidden aria-label={t('drop.files')} onChange={(e) => chosen(e.target)} />
      <input
        ref={(node) => {
          folder.current = node
          node?.setAttribute('webkitdirectory', '')
        }}
        type="file"
        hidden
        aria-label={t('drop.folder')}
        onChange={(e) => chosen(e.target)}
      />
    </section>
  )
}
