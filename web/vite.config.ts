// SPDX-License-Identifier: Apache-2.0
import react from '@vitejs/plugin-react'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

const server = process.env.HV_DEV_SERVER ?? 'http://127.0.0.1:8080'
const behind = ['/v1', '/ui', '/dicomweb', '/oauth', '/docs', '/docs-assets', '/openapi.json', '/healthz', '/readyz']

/** Tell in the page how the file of the viewer is called, so that it can be fetched before it is run. */
function viewerName(): Plugin {
  return {
    name: 'hv-viewer-name',
    transformIndexHtml: {
      order: 'post',
      handler: (_html, { bundle }) => {
        const found = Object.values(bundle ?? {}).find((part) => part.type === 'chunk' && part.facadeModuleId?.endsWith('src/screens/viewer/index.tsx'))
        return found ? [{ tag: 'meta', attrs: { name: 'hv-viewer', content: `/${found.fileName}` }, injectTo: 'head' }] : []
      },
    },
  }
}

// the image codecs look for Node's file system, and go on without it; every other warning is shown
const KNOWN = /Module "(fs|path)" has been externalized for browser compatibility, imported by "[^"]*@cornerstonejs\/codec-/

function withoutKnownWarnings(): Plugin {
  return { name: 'hv-known-warnings', onLog: (_level, log) => !KNOWN.test(log.message) }
}

export default defineConfig({
  plugins: [react(), viewerName(), withoutKnownWarnings()],
  base: '/',
  build: {
    outDir: process.env.HV_WEB_OUT ?? '../src/healthvision/interfaces/web/static',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // everything is a file, so the CSP needs no data: scripts
    chunkSizeWarningLimit: 5000,
    modulePreload: { polyfill: false },
  },
  worker: { format: 'es', plugins: () => [withoutKnownWarnings()] },
  // the dev server only: the image loader's codecs are CommonJS behind wasm paths
  optimizeDeps: {
    exclude: ['@cornerstonejs/dicom-image-loader'],
    include: [
      'dicom-parser',
      '@cornerstonejs/codec-charls/decodewasmjs',
      '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs',
      '@cornerstonejs/codec-openjpeg/decodewasmjs',
      '@cornerstonejs/codec-openjph/wasmjs',
      '@cornerstonejs/codec-libjxl/decodewasmjs',
    ],
  },
  server: { proxy: Object.fromEntries(behind.map((path) => [path, { target: server }])) },
  test: {
    environment: 'jsdom',
    setupFiles: ['./src/testing/setup.ts'],
    include: ['src/**/*.test.{ts,tsx}'],
    css: false,
  },
})
