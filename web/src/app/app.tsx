// SPDX-License-Identifier: Apache-2.0
import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { App as AntApp, ConfigProvider } from 'antd'
import enUS from 'antd/locale/en_US'
import zhCN from 'antd/locale/zh_CN'
import dayjs from 'dayjs'
import 'dayjs/locale/zh-cn'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { RouterProvider } from 'react-router/dom'
import { problemOf } from '../api/problem'
import { Ahead } from './ahead'
import { Gate } from './gate'
import { nonce } from './nonce'
import { makeRouter } from './routes'
import { SessionProvider } from './session'
import { hvTheme } from './theme'

function again(failures: number, error: unknown): boolean {
  const status = problemOf(error)?.status
  return failures < 2 && (status === undefined || status === 503)
}

function makeQueries(): QueryClient {
  return new QueryClient({
    queryCache: new QueryCache(),
    mutationCache: new MutationCache(),
    defaultOptions: {
      // 'always': a browser that says it is offline may still reach a server on its own machine
      queries: { retry: again, staleTime: 5_000, refetchOnWindowFocus: false, networkMode: 'always' },
      mutations: { retry: false, networkMode: 'always' },
    },
  })
}

export function App() {
  const { i18n } = useTranslation()
  const english = i18n.language === 'en'
  dayjs.locale(english ? 'en' : 'zh-cn')
  const [queries] = useState(makeQueries)
  const [router] = useState(makeRouter)
  return (
    <ConfigProvider theme={hvTheme} locale={english ? enUS : zhCN} csp={{ nonce }} button={{ autoInsertSpace: false }}>
      <AntApp message={{ maxCount: 3 }} className="hv-app">
        <QueryClientProvider client={queries}>
          <SessionProvider>
            <Gate>
              <Ahead router={router} />
              <RouterProvider router={router} />
            </Gate>
          </SessionProvider>
        </QueryClientProvider>
      </AntApp>
    </ConfigProvider>
  )
}
