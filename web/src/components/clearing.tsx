// SPDX-License-Identifier: Apache-2.0
// The cross that empties a choice, with its name in the person's language (antd's own is English).
import { CloseCircleFilled } from '@ant-design/icons'
import { useTranslation } from 'react-i18next'

/** For `allowClear` of a Select. */
export function useClearing() {
  const { t } = useTranslation()
  return { clearIcon: <CloseCircleFilled />, label: t('clear') }
}
