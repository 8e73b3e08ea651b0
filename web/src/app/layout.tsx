// SPDX-License-Identifier: Apache-2.0
// The shell: menu, organisation, language, person; the screen below it.
import { ApiOutlined, GlobalOutlined, UserOutlined } from '@ant-design/icons'
import { Alert, Button, Dropdown, Layout as Frame, Menu, Spin, Tooltip } from 'antd'
import { useQueryClient } from '@tanstack/react-query'
import { Suspense, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, Navigate, Outlet, useLocation, useNavigation } from 'react-router'
import { health } from '../api/generated'
import { clearCalls } from '../api/recorder'
import { useReachable, watchConnection } from '../api/reachable'

import { ApiDrawer } from '../components/api-drawer'
import { chooseLanguage } from './liking'
import { NoRights } from './errors'
import { useSession } from './session'
import './layout.css'

const ENTRIES = [
  { key: '/', name: 'worklist', needs: ['reading:read'] },
  { key: '/analyze', name: 'analyze', needs: ['studies:write'] },
  { key: '/models', name: 'models', needs: ['models:read'] },
  { key: '/admin', name: 'admin', needs: ['users:read', 'audit:read', 'clients:read'] },
] as const

const ALSO = [
  { key: '/viewer', needs: ['studies:read'] },
  { key: '/reading', needs: ['reading:read'] },
  { key: '/patients', needs: ['patients:read'] },
] as const

/** The screen, the first one this person may see instead of the start page, or why there is none. */
function Screen() {
  const { can } = useSession()
  const { pathname } = useLocation()
  const first = `/${pathname.split('/')[1] ?? ''}`
  const needs: readonly string[] | undefined = [...ENTRIES, ...ALSO].find((e) => e.key === first)?.needs
  if (first === '/admin' || !needs || needs.some(can)) return <Outlet />
  const other = ENTRIES.find((e) => e.needs.some(can))
  return first === '/' && other ? <Navigate to={other.key} replace /> : <NoRights />
}

function MenuBar() {
  const { t } = useTranslation()
  const { can } = useSession()
  const { pathname } = useLocation()
  const shown = ENTRIES.filter((e) => e.needs.some(can))
  const first = `/${pathname.split('/')[1] ?? ''}`
  const items = shown.map((e) => ({ key: e.key, label: <Link to={e.key}>{t(`menu.${e.name}`)}</Link> }))
  return <Menu className="hv-menu" mode="horizontal" selectedKeys={[first]} items={items} disabledOverflow />
}

function Person() {
  const { t } = useTranslation()
  const { me, signOut, switchTo } = useSession()
  const others = me.organisations.filter((o) => o.org_id !== me.org_id)
  const items = [
    { key: 'who', disabled: true, label: <span className="hv-data">{me.user?.email ?? me.id}</span> },
    ...(others.length > 0
      ? [
          {
            key: 'orgs',
            type: 'group' as const,
            label: t('person.switch'),
            children: others.map((o) => ({ key: o.org_id, label: o.title, onClick: () => void switchTo(o.org_id) })),
          },
        ]
      : []),
    { key: 'keys', label: <Link to="/admin/keys">{t('person.keys')}</Link> },
    { type: 'divider' as const },
    { key: 'out', label: t('person.out'), onClick: () => void signOut() },
  ]
  return (
    <Dropdown menu={{ items }} trigger={['click']}>
      <Button type="text" icon={<UserOutlined aria-hidden />} title={t('person.menu')}>
        <span className="hv-who">
          {me.user?.name ?? me.id} · {me.organisation}
        </span>
      </Button>
    </Dropdown>
  )
}

function Tongue() {
  const { t, i18n } = useTranslation()
  const next = i18n.language === 'en' ? 'zh-CN' : 'en'
  return (
    <Button type="text" icon={<GlobalOutlined aria-hidden />} onClick={() => { chooseLanguage(next) }} lang={next}>
      {t('language.other')}
    </Button>
  )
}

/** Follow the connection; when it is back, ask again for what is shown. */
function useConnection(): boolean {
  const reachable = useReachable((s) => s.reachable)
  const queries = useQueryClient()
  const lost = useRef(false)
  useEffect(() => watchConnection(() => health()), [])
  useEffect(() => {
    if (reachable && lost.current) void queries.invalidateQueries()
    lost.current = !reachable
  }, [reachable, queries])
  return reachable
}

export function Layout() {
  const { t } = useTranslation()
  const { me } = useSession()
  const { pathname } = useLocation()
  const moving = useNavigation().state === 'loading'
  const reachable = useConnection()
  const [drawer, setDrawer] = useState(false)
  useEffect(() => clearCalls, [pathname])
  return (
    <Frame className="hv-frame">
      <Frame.Header className="hv-bar">
        <Link to="/" className="hv-brand">
          <img src="/favicon.svg" alt="" width={22} height={22} />
          HealthVision
        </Link>
        <nav aria-label={t('menu.label')} className="hv-grow">
          <MenuBar />
        </nav>
        <Tooltip title={t('api.open')}>
          <Button type="text" icon={<ApiOutlined aria-hidden />} aria-label={t('api.open')} onClick={() => setDrawer(true)} />
        </Tooltip>
        <Tongue />
        <Person />
      </Frame.Header>
      {!reachable && <Alert banner type="warning" title={t('offline.banner')} />}
      <Frame.Content className="hv-content" key={me.org_id}>
        <main aria-busy={moving}>
          <Suspense fallback={<Spin />}>
            <Screen />
          </Suspense>
        </main>
      </Frame.Content>
      <ApiDrawer open={drawer} close={() => setDrawer(false)} />
    </Frame>
  )
}
