// SPDX-License-Identifier: Apache-2.0
// One model: what it is for, what it must not be used for, and what was measured.
import { Button, Select, Space, Switch, Table } from 'antd'
import { useTranslation } from 'react-i18next'
import { changeModel, type EvidenceRecord, type ModelChange, type ModelRead } from '../../api/generated'
import { useSession } from '../../app/session'
import { Evidence } from '../../components/confidence'
import { useText } from '../../components/text'
import { useAct } from '../admin/acting'
import { Agreement } from './agreement'
import { ForestPlot, isShare, range } from './plot'

function Rule({ model }: { model: ModelRead }) {
  const { t } = useTranslation('models')
  const change = useAct((body: ModelChange) => changeModel({ path: { model_id: model.id }, body, throwOnError: true }))
  return (
    <Space wrap>
      <Switch checked={model.enabled} onChange={(enabled) => change.mutate({ enabled })} aria-label={t('enabled')} />
      <span>{t(model.enabled ? 'on' : 'off')}</span>
      <Select<string>
        value={model.pinned_version ?? ''}
        aria-label={t('pin')}
        onChange={(version) => change.mutate({ pinned_version: version || null })}
        options={[{ value: '', label: t('newest') }, ...model.versions.map((v) => ({ value: v, label: t('pinned', { version: v }) }))]}
        popupMatchSelectWidth={false}
      />
    </Space>
  )
}

function Measured({ model }: { model: ModelRead }) {
  const { t, i18n } = useTranslation('models')
  const name = (metric: string) => {
    const key = `metric.${metric}`
    return i18n.exists(key, { ns: 'models' }) ? t(key) : metric
  }
  const lines = model.evidence.map((e) => ({ name: name(e.metric), value: e.value, low: e.low, high: e.high, n: e.n }))
  const shares = lines.filter(isShare)
  return (
    <>
      {shares.length > 0 && <ForestPlot lines={shares} title={t('evidence')} />}
      <Table<EvidenceRecord>
        rowKey={(e) => e.metric + e.data}
        size="small"
        pagination={false}
        dataSource={model.evidence}
        columns={[
          { title: t('column.metric'), dataIndex: 'metric', render: name },
          {
            title: t('column.value'),
            key: 'value',
            render: (_, e) => <span className="hv-num">{range({ name: '', value: e.value, low: e.low, high: e.high, n: e.n })}</span>,
          },
          { title: t('column.n'), dataIndex: 'n', align: 'right' },
          { title: t('column.level'), dataIndex: 'level', render: (level: EvidenceRecord['level']) => <Evidence level={level} /> },
          { title: t('column.data'), dataIndex: 'data', render: (d: string) => <span lang="en">{d}</span> },
          { title: t('column.command'), dataIndex: 'command', render: (c: string) => <code>{c}</code> },
        ]}
      />
    </>
  )
}

export function Card({ model }: { model: ModelRead }) {
  const { t, i18n } = useTranslation('models')
  const text = useText()
  const { can } = useSession()
  const language = i18n.language === 'en' ? 'en' : 'zh'
  const { budget } = model
  return (
    <article className="hv-card">
      <header className="hv-head">
        <h2>{text(model.title)}</h2>
        <code className="hv-dim">
          {model.id} {model.version}
        </code>
        <Evidence level={model.evidence_level} />
        {!model.enabled && <span className="hv-off">{t('off')}</span>}
        <span className="hv-grow" />
        {can('models:manage') && <Rule model={model} />}
        <Button href={`/v1/models/${model.id}/card?language=${language}`} target="_blank" rel="noopener">
          {t('card')}
        </Button>
      </header>
      <p>{text(model.description)}</p>
      <div className="hv-card-two">
        <section>
          <h3>{t('intended')}</h3>
          <p>{text(model.intended_use)}</p>
        </section>
        <section>
          <h3>{t('limitations')}</h3>
          <ul>
            {model.limitations.map((l) => (
              <li key={l.en}>{text(l)}</li>
            ))}
          </ul>
        </section>
      </div>
      <h3>{t('evidence')}</h3>
      <Measured model={model} />
      {can('statistics:read') && (
        <>
          <h3>{t('agreement.title')}</h3>
          <Agreement model={model.id} />
        </>
      )}
      <h3>{t('technical')}</h3>
      <dl className="hv-facts">
        <dt>{t('accepts')}</dt>
        <dd>
          <code>{model.accepts}</code>
        </dd>
        <dt>{t('licence')}</dt>
        <dd lang="en">{[model.licence, ...model.weights.map((w) => w.licence)].join(', ')}</dd>
        <dt>{t('weights')}</dt>
        <dd>{model.weights_sha256 ? <code>{model.weights_sha256}</code> : t('noWeights')}</dd>
        <dt>{t('budget')}</dt>
        <dd className="hv-num">{t('budgetWhat', { memory: budget.memory_mb ?? '—', seconds: budget.wall_seconds ?? '—', threads: budget.threads ?? '—' })}</dd>
      </dl>
    </article>
  )
}
