// SPDX-License-Identifier: Apache-2.0
// The windows of a modality as its reader wants them: named, changed, added from the picture, usual again.
import { useTranslation } from 'react-i18next'
import { keepWindows, MOST_WINDOWS, usePrefs, type OwnWindow } from '../prefs'
import { presetsFor, windowOf } from '../presets'
import { activePorts } from '../viewports'

/** The window shown in the active picture. */
function shownWindow(): { centre: number; width: number } | undefined {
  const range = activePorts()[0]?.getProperties()?.voiRange
  if (!range) return undefined
  const { centre, width } = windowOf(range)
  return { centre: Math.round(centre), width: Math.max(1, Math.round(width)) }
}

export function Windows({ modality }: { modality: string }) {
  const { t } = useTranslation('viewer')
  const own = usePrefs((s) => s.windows[modality])
  const all: OwnWindow[] = presetsFor(modality, own).map((p) => ({ name: p.label ?? t(`preset.${p.name}`), centre: p.centre, width: p.width }))
  const change = (index: number, part: Partial<OwnWindow>) => {
    keepWindows(modality, all.map((w, i) => (i === index ? { ...w, ...part } : w)))
  }
  return (
    <section className="hv-own-windows" aria-label={t('windows.title', { modality })}>
      <header className="hv-row">
        <h3>{t('windows.title', { modality })}</h3>
        <span className="hv-grow" />
        <button
          type="button"
          className="hv-button"
          data-add-window
          disabled={all.length >= MOST_WINDOWS}
          onClick={() => {
            const found = shownWindow()
            if (found) keepWindows(modality, [...all, { name: `${found.width}/${found.centre}`, ...found }])
          }}
        >
          {t('windows.add')}
        </button>
        <button
          type="button"
          className="hv-button"
          disabled={!own}
          onClick={() => {
            keepWindows(modality, undefined)
          }}
        >
          {t('windows.usual')}
        </button>
      </header>
      <p className="hv-dim">{[t('windows.name'), t('windows.width'), t('windows.centre')].join(' · ')}</p>
      {all.map((w, i) => (
        <div key={`${i}/${all.length}`} className="hv-row" data-own-window={i}>
          <kbd>{i + 2}</kbd>
          <input
            aria-label={t('windows.name')}
            defaultValue={w.name}
            maxLength={32}
            onBlur={(event) => {
              const name = event.target.value.trim()
              if (name && name !== w.name) change(i, { name })
            }}
          />
          {(['width', 'centre'] as const).map((part) => (
            <input
              key={part}
              type="number"
              aria-label={t(`windows.${part}`)}
              title={t(`windows.${part}`)}
              defaultValue={w[part]}
              min={part === 'width' ? 1 : -65536}
              max={65536}
              onBlur={(event) => {
                const value = event.target.valueAsNumber
                if (event.target.validity.valid && Number.isFinite(value) && value !== w[part]) change(i, { [part]: value })
              }}
            />
          ))}
          <button
            type="button"
            className="hv-tool hv-tool-small"
            aria-label={t('windows.remove', { name: w.name })}
            onClick={() => {
              keepWindows(modality, all.filter((_, j) => j !== i))
            }}
          >
            ×
          </button>
        </div>
      ))}
    </section>
  )
}
