// SPDX-License-Identifier: Apache-2.0
// What the AI says about a study. Only a result speaks of images; waiting, failed and abstained are
// shown as what they are and never as "nothing found".
import { ReloadOutlined } from '@ant-design/icons'
import { Button, Progress, Tooltip } from 'antd'
import { useTranslation } from 'react-i18next'
import type { AiSummary } from '../../api/generated'
import { Confidence } from '../../components/confidence'
import { categoryParts, useCategory } from '../../components/category'
import { useText } from '../../components/text'

function Parts({ ai }: { ai: AiSummary }) {
  const { t } = useTranslation('worklist')
  return (
    <ul className="hv-parts">
      {ai.parts.map((part) => (
        <li key={part.application}>
          {part.application} {part.application_version}: {t(`part.${part.state}`)}
          {part.state === 'result' && ` · ${t('findings', { count: part.finding_count })}`}
        </li>
      ))}
    </ul>
  )
}

function Seen({ ai }: { ai: AiSummary }) {
  const { t } = useTranslation('worklist')
  const named = useCategory()
  const text = useText()
  const found = ai.finding
  if (!found) {
    return (
      <Tooltip title={t('ai.nothingWhat')}>
        <span tabIndex={0}>{t('ai.nothing')}</span>
      </Tooltip>
    )
  }
  const category = named(...categoryParts(found.category), true)
  return (
    <span className="hv-ai-found">
      <span className="hv-ai-label" title={`${text(found.label)} · ${text(found.region)}`}>
        {text(found.label)} <span className="hv-dim">{text(found.region)}</span>
      </span>
      {category && <span className="hv-category">{category}</span>}
      <Confidence confidence={found.confidence} level={found.evidence_level} short />
      {ai.finding_count > 1 && <span className="hv-dim hv-num">+{ai.finding_count - 1}</span>}
    </span>
  )
}

export function AiCell({ ai, unverified, retry }: { ai: AiSummary; unverified: boolean; retry?: (task: string) => void }) {
  const { t } = useTranslation('worklist')
  const words: Record<string, React.ReactNode> = {
    none: <span className="hv-dim">{t('ai.none')}</span>,
    pending: <span className="hv-ai-wait">{t('ai.pending')}</span>,
    running: (
      <span className="hv-ai-run">
        {t('ai.running')}
        <Progress percent={Math.round((ai.progress ?? 0) * 100)} size="small" aria-label={t('ai.running')} />
      </span>
    ),
    failed: <span className="hv-ai-bad">{t('ai.failed')}</span>,
    abstained: <span className="hv-ai-abstain">{t('ai.abstained')}</span>,
    result: <Seen ai={ai} />,
  }
  const task = ai.task_id
  return (
    <span className="hv-ai">
      {ai.parts.length > 0 && ai.state !== 'result' ? (
        <Tooltip title={<Parts ai={ai} />}>
          <span tabIndex={0}>{words[ai.state]}</span>
        </Tooltip>
      ) : (
        words[ai.state]
      )}
      {ai.state === 'failed' && task && retry && (
        <Tooltip title={t('ai.retry')}>
          <Button type="text" size="small" icon={<ReloadOutlined />} aria-label={t('ai.retry')} onClick={() => retry(task)} />
        </Tooltip>
      )}
      {ai.state === 'result' && unverified && <span className="hv-unverified">{t('ai.unverified')}</span>}
    </span>
  )
}
