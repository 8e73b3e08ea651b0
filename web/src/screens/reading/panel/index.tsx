// SPDX-License-Identifier: Apache-2.0
// The panel beside the images: findings with verdicts, and the report. The viewer mounts it;
// ``onFinding`` says where to go.
import { Tabs } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ReportPart } from '../report'
import { Findings, type FindingsProps } from './findings'
import '../reading.css'

export type ReadingPanelProps = FindingsProps

export function ReadingPanel(props: ReadingPanelProps) {
  const { t } = useTranslation('reading')
  const [tab, setTab] = useState('findings')
  return (
    <div className="hv-reading-panel">
      <Tabs
        size="small"
        activeKey={tab}
        onChange={setTab}
        items={[
          { key: 'findings', label: t('tab.findings'), children: <Findings {...props} keys={(props.keys ?? true) && tab === 'findings'} /> },
          { key: 'report', label: t('tab.report'), children: <ReportPart study={props.study} /> },
        ]}
      />
    </div>
  )
}

export default ReadingPanel
