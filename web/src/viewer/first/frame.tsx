// SPDX-License-Identifier: Apache-2.0
// The viewer's frame before its code is there: every part as large as it will be, the first picture in its place.
import { useTranslation } from 'react-i18next'
import { TOOL_GROUPS } from './groups'
import { WaitingTile } from './picture'
import './frame.css'

function Tools() {
  return (
    <div className="hv-tools" aria-hidden="true">
      {TOOL_GROUPS.map((group) => (
        <span key={group[0]} className="hv-tool-group">
          {group.map((action) => (
            <span key={action} className="hv-tool" />
          ))}
        </span>
      ))}
      <span className="hv-select" />
      <span className="hv-grow" />
      <span className="hv-tool" />
    </div>
  )
}

export function ViewerFrame() {
  const { t } = useTranslation('viewer')
  return (
    <div className="hv-viewer" aria-label={t('title')} role="region" aria-busy="true">
      <div className="hv-strip" />
      <div className="hv-middle">
        <Tools />
        <div className="hv-grid hv-grid-1x1">
          <WaitingTile />
        </div>
      </div>
      <div className="hv-aside" />
    </div>
  )
}
