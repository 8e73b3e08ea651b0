// SPDX-License-Identifier: Apache-2.0
// Starts the interface; by far the larger part, begun by ../main when the first picture was asked for.
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import '../i18n'
import { App } from './app'
import { markStyles } from './nonce'

markStyles()

const root = document.getElementById('root')
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  )
}
