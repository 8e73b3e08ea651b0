// SPDX-License-Identifier: Apache-2.0
// Addresses of the screens; each is loaded when it is opened first.
import { createBrowserRouter } from 'react-router'
import { ViewerDoor } from '../screens/viewer/door'
import { anew } from './chunks'
import { Lost, RouteTrouble } from './errors'
import { Layout } from './layout'

type Screen = Promise<{ default: React.ComponentType }>

function lazy(load: () => Screen) {
  const loaded = anew(load)
  return async () => ({ Component: (await loaded()).default })
}

export function makeRouter() {
  return createBrowserRouter([
    {
      path: '/',
      element: <Layout />,
      errorElement: <RouteTrouble />,
      hydrateFallbackElement: <div />,
      children: [
        {
          errorElement: <RouteTrouble />,
          children: [
            { index: true, lazy: lazy(() => import('../screens/worklist')) },
            { path: 'analyze', lazy: lazy(() => import('../screens/analyze')) },
            { path: 'viewer/:study', element: <ViewerDoor /> },
            { path: 'reading/:study', lazy: lazy(() => import('../screens/reading')) },
            { path: 'patients/:patient', lazy: lazy(() => import('../screens/patient')) },
            { path: 'models', lazy: lazy(() => import('../screens/models')) },
            { path: 'models/:model', lazy: lazy(() => import('../screens/models')) },
            { path: 'admin', lazy: lazy(() => import('../screens/admin')) },
            { path: 'admin/:part', lazy: lazy(() => import('../screens/admin')) },
            { path: '*', element: <Lost /> },
          ],
        },
      ],
    },
  ])
}
