// SPDX-License-Identifier: Apache-2.0
// One act of an administrator: done, told, lists asked again; or refused, and said why. What somebody else
// has done meanwhile is asked for as well.
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { App } from 'antd'
import { useTranslation } from 'react-i18next'
import { askAgain } from '../../api/asking'
import { problemOf } from '../../api/problem'
import { useProblemText } from '../../app/errors'

const OVERTAKEN = [404, 409, 412]

export function useAct<Wish, Answer>(work: (wish: Wish) => Promise<Answer>, then?: (answer: Answer) => void) {
  const { t } = useTranslation('admin')
  const { message } = App.useApp()
  const problem = useProblemText()
  const queries = useQueryClient()
  return useMutation({
    mutationFn: work,
    onSuccess: async (answer) => {
      then?.(answer)
      message.success(t('done'))
      await askAgain(queries)
    },
    onError: async (error) => {
      message.error(problem(error))
      if (OVERTAKEN.includes(problemOf(error)?.status ?? 0)) await askAgain(queries)
    },
  })
}
