// SPDX-License-Identifier: Apache-2.0
// How far doctors agreed with each version of a model.
import { useQuery } from '@tanstack/react-query'
import { Empty } from 'antd'
import { useTranslation } from 'react-i18next'
import type { Agreement as Row } from '../../api/generated'
import { getAgreementOptions } from '../../api/generated/@tanstack/react-query.gen'
import { Trouble } from '../../app/errors'
import { ForestPlot, type Line } from './plot'

function linesOf(row: Row, name: (decision: string) => string): Line[] {
  const { accepted, modified, rejected } = row.total
  return Object.entries({ accepted, modified, rejected }).map(([decision, rate]) => ({
    name: name(decision),
    value: rate.share ?? 0,
    low: rate.low,
    high: rate.high,
    n: rate.n,
  }))
}

export function Agreement({ model }: { model: string }) {
  const { t } = useTranslation('models')
  const found = useQuery(getAgreementOptions({ query: { application: model } }))
  if (found.error) return <Trouble error={found.error} />
  const rows = found.data?.items ?? []
  if (found.data && rows.length === 0) return <Empty description={t('agreement.none')} />
  return rows.map((row) => (
    <div key={row.application_version}>
      <h3>{t('agreement.of', { version: row.application_version, readers: row.readers, results: row.results })}</h3>
      <ForestPlot lines={linesOf(row, (decision) => t(`agreement.${decision}`))} title={t('agreement.title')} />
    </div>
  ))
}
