// SPDX-License-Identifier: Apache-2.0
// Administration: each part for those who may see it.
import { Menu } from 'antd'
import type { ComponentType } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useParams } from 'react-router'
import { Lost } from '../../app/errors'
import { useSession } from '../../app/session'
import { Audit } from './audit'
import { Deadlines } from './deadlines'
import { Health } from './health'
import { Keys } from './keys'
import { Notes } from './notes'
import { Quarantine } from './quarantine'
import { Roles } from './roles'
import { Tasks } from './tasks'
import { Users } from './users'
import { Webhooks } from './webhooks'
import './admin.css'

interface Part {
  name: string
  needs: string | null
  Screen: ComponentType
}

const PARTS: readonly Part[] = [
  { name: 'users', needs: 'users:read', Screen: Users },
  { name: 'roles', needs: 'users:read', Screen: Roles },
  { name: 'keys', needs: null, Screen: Keys },
  { name: 'webhooks', needs: 'notify:read', Screen: Webhooks },
  { name: 'jobs', needs: 'analysis:read', Screen: Tasks },
  { name: 'deadlines', needs: 'analysis:read', Screen: Deadlines },
  { name: 'quarantine', needs: 'quarantine:manage', Screen: Quarantine },
  { name: 'notes', needs: 'studies:correct', Screen: Notes },
  { name: 'audit', needs: 'audit:read', Screen: Audit },
  { name: 'health', needs: 'analysis:read', Screen: Health },
]

export default function Admin() {
  const { t } = useTranslation('admin')
  const { can } = useSession()
  const { part } = useParams()
  const mine = PARTS.filter((p) => p.needs === null || can(p.needs))
  const current = part === undefined ? mine[0] : mine.find((p) => p.name === part)
  if (!current) return <Lost />
  const { Screen } = current
  const items = mine.map((p) => ({ key: p.name, label: <Link to={`/admin/${p.name}`}>{t(`part.${p.name}`)}</Link> }))
  return (
    <div className="hv-page hv-admin">
      <nav aria-label={t('title')}>
        <Menu mode="inline" selectedKeys={[current.name]} items={items} />
      </nav>
      <section className="hv-admin-part" aria-labelledby="hv-admin-title">
        <h1 id="hv-admin-title">{t(`part.${current.name}`)}</h1>
        <Screen key={current.name} />
      </section>
    </div>
  )
}
