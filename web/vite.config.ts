// SPDX-License-Identifier: Apache-2.0
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

const server = process.env.HV_DEV_SERVER ?? 'http://127.0.0.1:8080'
const behind = ['/v1', '/ui', '/dicomweb', '/oauth', '/docs', '/docs-assets', '/openapi.json', '/healthz', '/readyz']

export default defineConfig({
  plugins: [react()],
  base: '/',
  build: {
    outDir: process.env.HV_WEB_OUT ?? '../src/healthvision/interfaces/web/static',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // everything is a file, so the CSP needs no data: scripts
    chunkSizeWarningLimit: 5000,
    modulePreload: { polyfill: false },
  },
  worker: { format: 'es' },
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
