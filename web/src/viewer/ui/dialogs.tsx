// SPDX-License-Identifier: Apache-2.0
// The words of an arrow, and the map of the keys with the way to change them.
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ACTIONS, keepKeys, keepLayout, KEYS, pressed, resetPrefs, usePrefs, type Action } from '../prefs'
import { findSeries, useViewer, type Layout } from '../store'
import { Windows } from './windows'

const HANGINGS: [Layout, Action][] = [['1x1', 'layout1'], ['1x2', 'layout2'], ['2x2', 'layout4'], ['mpr', 'mpr']]

/** Asks for the words beside an arrow. */
export function AskWords() {
  const { t } = useTranslation('viewer')
  const asking = useViewer((s) => s.asking)
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => {
    if (asking) field.current?.focus()
  }, [asking])
  if (!asking) return null
  return (
    <form
      className="hv-dialog hv-dialog-small"
      role="dialog"
      aria-modal="true"
      aria-label={t('arrow.ask')}
      onSubmit={(event) => {
        event.preventDefault()
        asking(field.current?.value.trim() || null)
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') asking(null)
      }}
    >
      <label>
        {t('arrow.ask')}
        <input ref={field} maxLength={64} name="words" autoComplete="off" />
      </label>
      <button type="submit" className="hv-button">
        {t('ok')}
      </button>
    </form>
  )
}

/** The keys; a click on one waits for another. */
export function KeyHelp({ close }: { close: () => void }) {
  const { t } = useTranslation('viewer')
  const keys = usePrefs((s) => s.keys)
  const layouts = usePrefs((s) => s.layout)
  const modality = useViewer((s) => findSeries(s.slots[s.active]?.series)?.item.modality ?? 'CT')
  const [changing, setChanging] = useState<Action>()
  const frame = useRef<HTMLDivElement>(null)
  useEffect(() => {
    frame.current?.focus()
  }, [])
  const taken = (key: string, action: Action) => ACTIONS.find((a) => a !== action && keys[a] === key)
  return (
    <div
      ref={frame}
      tabIndex={-1}
      className="hv-dialog"
      role="dialog"
      aria-modal="true"
      aria-label={t('keys.title')}
      onKeyDown={(event) => {
        event.stopPropagation()
        if (!changing) {
          if (event.key === 'Escape') close()
          return
        }
        event.preventDefault()
        if (['Shift', 'Control', 'Alt', 'Meta'].includes(event.key)) return
        const key = pressed(event.nativeEvent)
        const other = taken(key, changing)
        if (key !== 'Escape' && !/^[1-9]$/.test(key)) keepKeys({ [changing]: key, ...(other ? { [other]: keys[changing] } : {}) })
        setChanging(undefined)
      }}
    >
      <header className="hv-row">
        <h2>{t('keys.title')}</h2>
        <span className="hv-grow" />
        <button
          type="button"
          className="hv-button"
          onClick={() => {
            keepKeys(KEYS)
          }}
        >
          {t('keys.reset')}
        </button>
        <button type="button" className="hv-button" data-reset-all onClick={resetPrefs}>
          {t('keys.all')}
        </button>
        <button type="button" className="hv-button" onClick={close}>
          {t('close')}
        </button>
      </header>
      <p className="hv-dim">{t('keys.how')}</p>
      <label className="hv-row">
        {t('keys.layout', { modality })}
        <select
          className="hv-select"
          value={layouts[modality] ?? '1x1'}
          onChange={(event) => {
            keepLayout(modality, event.target.value as Layout)
          }}
        >
          {HANGINGS.map(([layout, action]) => (
            <option key={layout} value={layout}>
              {t(`tool.${action}`)}
            </option>
          ))}
        </select>
      </label>
      <dl className="hv-keys">
        {ACTIONS.map((action) => (
          <div key={action}>
            <dt>{t(`tool.${action}`)}</dt>
            <dd>
              <button
                type="button"
                aria-label={`${t('keys.change', { name: t(`tool.${action}`) })}: ${changing === action ? '…' : keys[action]}`}
                onClick={() => {
                  setChanging(action)
                }}
              >
                <kbd>{changing === action ? '…' : keys[action]}</kbd>
              </button>
            </dd>
          </div>
        ))}
        <div>
          <dt>{t('preset.label')}</dt>
          <dd>
            <kbd>1</kbd> – <kbd>9</kbd>
          </dd>
        </div>
      </dl>
      <Windows modality={modality} />
    </div>
  )
}
