// SPDX-License-Identifier: Apache-2.0
import { useTranslation } from 'react-i18next'
import './priority.css'

/** Clinical priority: by colour, weight and word, so that no colour sense is needed. */
export function Priority({ value }: { value: string }) {
  const { t } = useTranslation()
  return <span className={`hv-priority hv-priority-${value}`}>{t(`priority.${value}`)}</span>
}
