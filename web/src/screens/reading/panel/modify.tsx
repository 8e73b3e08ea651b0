// SPDX-License-Identifier: Apache-2.0
// Corrects a finding: only what differs from the application's words goes to the server.
import { Button, Form, Input, InputNumber, Modal, Select } from 'antd'
import { useTranslation } from 'react-i18next'
import type { Finding, FindingChanges, Laterality, VerdictCreate } from '../../../api/generated'
import { guidelineName } from '../../../components/category'
import { useText } from '../../../components/text'
import type { ReasonCode } from './model'
import { unitName } from './why'
import { useClearing } from '../../../components/clearing'

interface Fields {
  label?: string
  region?: string
  laterality?: Laterality
  numbers?: Record<string, number | null>
  categories?: Record<string, string>
  description?: string
  reason_code?: ReasonCode
  reason?: string
}

const SIDES: Laterality[] = ['left', 'right', 'both', 'midline']
export const REASONS = ['false-positive', 'benign', 'known-before', 'wrong-place', 'wrong-size', 'wrong-category', 'image-quality', 'missed-finding', 'other'] as const

/** Return the changes in what was filled in, undefined when nothing differs. */
export function changesOf(finding: Finding | undefined, fields: Fields, words: { label: string; region: string }): FindingChanges | undefined {
  const changes: FindingChanges = {}
  const text = (value: string | undefined, before: string) => (value?.trim() && value.trim() !== before ? value.trim() : undefined)
  const label = text(fields.label, words.label)
  const region = text(fields.region, words.region)
  const description = text(fields.description, '')
  if (label) changes.label = label
  if (region) changes.region = region
  if (description) changes.description = description
  if (fields.laterality && fields.laterality !== finding?.location.laterality) changes.laterality = fields.laterality
  const measurements = (finding?.measurements ?? []).flatMap((m, i) => {
    const value = fields.numbers?.[String(i)]
    return typeof value === 'number' && value !== rounded(m.value) ? [{ code: m.code.value, label: m.label.en, value }] : []
  })
  if (measurements.length > 0) changes.measurements = measurements
  const categories = (finding?.categories ?? []).flatMap((c, i) => {
    const value = text(fields.categories?.[String(i)], c.value)
    return value ? [{ guideline: c.guideline, value }] : []
  })
  if (categories.length > 0) changes.categories = categories
  return Object.keys(changes).length > 0 ? changes : undefined
}

export function rounded(value: number): number {
  return Number(value.toPrecision(4))
}

export function ModifyDialog({ finding, busy, done, close }: {
  finding: Finding | undefined
  busy: boolean
  done: (body: Omit<VerdictCreate, 'tracking_uid'>) => void
  close: () => void
}) {
  const { t } = useTranslation('reading')
  const text = useText()
  const [form] = Form.useForm<Fields>()
  const clearing = useClearing()
  const words = { label: finding ? text(finding.label) : '', region: finding ? text(finding.location.region) : '' }
  const send = (fields: Fields) => {
    const changes = changesOf(finding, fields, words)
    if (!changes) {
      form.setFields([{ name: 'description', errors: [t('modify.nothing')] }])
      return
    }
    done({ decision: 'modify', changes, reason: fields.reason?.trim() ?? '', reason_code: fields.reason_code ?? '' })
  }
  const numbers = finding?.measurements ?? []
  return (
    <Modal
      open
      title={t('modify.title')}
      onCancel={close}
      footer={[
        <Button key="no" onClick={close}>{t('common:cancel')}</Button>,
        <Button key="yes" type="primary" loading={busy} onClick={() => { form.submit() }}>{t('modify.save')}</Button>,
      ]}
    >
      <Form<Fields>
        form={form}
        layout="vertical"
        size="small"
        requiredMark={false}
        onFinish={send}
        initialValues={{
          ...words,
          laterality: finding?.location.laterality ?? undefined,
          numbers: Object.fromEntries(numbers.map((m, i) => [String(i), rounded(m.value)])),
          categories: Object.fromEntries((finding?.categories ?? []).map((c, i) => [String(i), c.value])),
        }}
      >
        {finding && (
          <div className="hv-form-grid">
            <Form.Item name="label" label={t('modify.label')}><Input maxLength={200} /></Form.Item>
            <Form.Item name="region" label={t('modify.region')}><Input maxLength={200} /></Form.Item>
            <Form.Item name="laterality" label={t('modify.side')}>
              <Select allowClear={clearing} options={SIDES.map((value) => ({ value, label: t(`side.${value}`) }))} />
            </Form.Item>
            {(finding.categories ?? []).map((c, i) => (
              <Form.Item key={c.guideline} name={['categories', String(i)]} label={guidelineName(c.guideline)}>
                <Input maxLength={64} />
              </Form.Item>
            ))}
            {numbers.map((m, i) => (
              <Form.Item key={`${m.code.value} ${m.label.en}`} name={['numbers', String(i)]} label={`${text(m.label)} ${unitName(m.unit)}`}>
                <InputNumber className="hv-wide" controls={false} />
              </Form.Item>
            ))}
          </div>
        )}
        <Form.Item name="description" label={t('modify.description')}>
          <Input.TextArea rows={2} maxLength={2000} />
        </Form.Item>
        <div className="hv-form-grid">
          <Form.Item name="reason_code" label={t('reason.title')}>
            <Select allowClear={clearing} options={REASONS.map((value) => ({ value, label: t(`reason.${value}`) }))} />
          </Form.Item>
          <Form.Item name="reason" label={t('reason.words')}><Input maxLength={2000} /></Form.Item>
        </div>
      </Form>
    </Modal>
  )
}
