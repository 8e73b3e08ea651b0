// SPDX-License-Identifier: Apache-2.0
import { Modal } from 'antd'
import { useTranslation } from 'react-i18next'
import { READING_KEYS } from './panel/keys'

/** The keys of reading. */
export function KeyHelp({ open, close }: { open: boolean; close: () => void }) {
  const { t } = useTranslation('reading')
  const rows: [string, string][] = [
    ...Object.entries(READING_KEYS).map(([name, key]): [string, string] => [key.toUpperCase(), t(`keys.${name}`, { key: '' }).trim()]),
    ['N', t('keys.nextStudy', { key: '' }).trim()],
    ['Enter', t('keys.images')],
    ['?', t('keys.title')],
  ]
  return (
    <Modal open={open} title={t('keys.title')} onCancel={close} footer={null}>
      <table className="hv-keys">
        <tbody>
          {rows.map(([key, what]) => (
            <tr key={key}>
              <td><kbd>{key}</kbd></td>
              <td>{what}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Modal>
  )
}
