// SPDX-License-Identifier: Apache-2.0
// The installed AI models with their evidence.
import { useQuery } from '@tanstack/react-query'
import { Alert, Empty, Menu, Spin } from 'antd'
import { useTranslation } from 'react-i18next'
import { Link, useParams } from 'react-router'
import { listModelsOptions } from '../../api/generated/@tanstack/react-query.gen'
import { Trouble } from '../../app/errors'
import { Evidence } from '../../components/confidence'
import { useText } from '../../components/text'
import { Card } from './card'
import './models.css'

export default function Models() {
  const { t } = useTranslation('models')
  const text = useText()
  const { model: wanted } = useParams()
  const models = useQuery(listModelsOptions())
  if (models.error) return <Trouble error={models.error} retry={() => void models.refetch()} />
  if (!models.data) return <Spin />
  const { items, broken } = models.data
  const current = items.find((m) => m.id === wanted) ?? items[0]
  const entries = items.map((m) => ({
    key: m.id,
    label: (
      <Link to={`/models/${m.id}`}>
        {text(m.title)} <Evidence level={m.evidence_level} />
      </Link>
    ),
  }))
  return (
    <div className="hv-page hv-models">
      <nav aria-label={t('title')}>
        <h1>{t('title')}</h1>
        <Menu mode="inline" selectedKeys={current ? [current.id] : []} items={entries} />
        {broken.map((b) => (
          <Alert key={b.name} type="error" title={t('broken', { name: b.name })} />
        ))}
      </nav>
      {current ? <Card key={current.id} model={current} /> : <Empty description={t('none')} />}
    </div>
  )
}
