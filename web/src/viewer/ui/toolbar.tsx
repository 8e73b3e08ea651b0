// SPDX-License-Identifier: Apache-2.0
// The row of tools over the pictures.
import { useTranslation } from 'react-i18next'
import { act } from '../actions'
import { TOOL_GROUPS } from '../first/groups'
import { usePrefs, type Action } from '../prefs'
import { presetsFor } from '../presets'
import { findSeries, useViewer, view } from '../store'
import { choosePreset } from '../viewports'
import { applySlab } from './reformat'
import { Icon } from './icons'

const LAYOUT_OF: Partial<Record<Action, string>> = { layout1: '1x1', layout2: '1x2', layout4: '2x2', mpr: 'mpr', mip: 'mip', space: '3d' }

function usePressed(action: Action): boolean | undefined {
  const tool = useViewer((s) => s.tool)
  const layout = useViewer((s) => s.layout)
  const linked = useViewer((s) => s.linked)
  const texts = useViewer((s) => s.texts)
  const shown = useViewer((s) => s.segmentations.some((g) => g.state === 'shown'))
  if (action === 'link') return linked
  if (action === 'texts') return texts
  if (action === 'overlays') return shown
  if (LAYOUT_OF[action]) return LAYOUT_OF[action] === layout
  if (TOOL_GROUPS[0]?.includes(action) || TOOL_GROUPS[1]?.includes(action)) return tool === action
  return undefined
}

function ToolButton({ action }: { action: Action }) {
  const { t } = useTranslation('viewer')
  const key = usePrefs((s) => s.keys[action])
  const on = usePressed(action)
  const layout = useViewer((s) => s.layout)
  const unsaved = useViewer((s) => s.unsaved)
  const empty = useViewer((s) => s.segmentations.length === 0)
  const disabled = (action === 'crosshairs' && layout !== 'mpr') || (action === 'overlays' && empty) || (action === 'save' && !unsaved)
  return (
    <button
      type="button"
      className={`hv-tool${action === 'save' && unsaved ? ' hv-tool-due' : ''}`}
      aria-label={t(`tool.${action}`)}
      aria-pressed={on}
      disabled={disabled}
      title={`${t(`tool.${action}`)}  (${key})`}
      data-tool={action}
      onClick={() => {
        act(action)
      }}
    >
      <Icon name={action} />
    </button>
  )
}

function Windows() {
  const { t } = useTranslation('viewer')
  const modality = useViewer((s) => findSeries(s.slots[s.active]?.series)?.item.modality ?? '')
  const presets = presetsFor(modality, usePrefs((s) => s.windows[modality]))
  return (
    <select
      className="hv-select"
      aria-label={t('preset.label')}
      value=""
      data-presets
      onChange={(event) => {
        choosePreset(Number(event.target.value))
        event.target.blur()
      }}
    >
      <option value="" disabled>
        {t('preset.label')}
      </option>
      <option value="1">{`1  ${t('preset.own')}`}</option>
      {presets.map((p, i) => (
        <option key={`${i}${p.name}${p.label ?? ''}`} value={i + 2}>
          {`${i + 2}  ${p.label ?? t(`preset.${p.name}`)}  ${p.width}/${p.centre}`}
        </option>
      ))}
    </select>
  )
}

function Slab() {
  const { t } = useTranslation('viewer')
  const slab = useViewer((s) => s.slab)
  const layout = useViewer((s) => s.layout)
  if (layout !== 'mpr') return null
  return (
    <select
      className="hv-select"
      aria-label={t('slab.label')}
      value={slab}
      onChange={(event) => {
        const chosen = Number(event.target.value)
        view.set({ slab: chosen })
        applySlab(chosen)
        event.target.blur()
      }}
    >
      <option value={0}>{t('slab.thin')}</option>
      {[5, 10, 20, 40].map((mm) => (
        <option key={mm} value={mm}>
          {t('slab.mip', { mm })}
        </option>
      ))}
    </select>
  )
}

export function Toolbar({ help }: { help: () => void }) {
  const { t } = useTranslation('viewer')
  return (
    <div className="hv-tools" role="toolbar" aria-label={t('tools')}>
      {TOOL_GROUPS.map((group) => (
        <span key={group[0]} className="hv-tool-group">
          {group.map((action) => (
            <ToolButton key={action} action={action} />
          ))}
        </span>
      ))}
      <Windows />
      <Slab />
      <span className="hv-grow" />
      <button type="button" className="hv-tool" aria-label={t('tool.help')} title={`${t('tool.help')}  (?)`} data-tool="help" onClick={help}>
        <Icon name="help" />
      </button>
    </div>
  )
}
