// SPDX-License-Identifier: Apache-2.0
import react from '@vitejs/plugin-react'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

const server = process.env.HV_DEV_SERVER ?? 'http://127.0.0.1:8080'
const behind = ['/v1', '/ui', '/dicomweb', '/oauth', '/docs', '/docs-assets', '/openapi.json', '/healthz', '/readyz']

/** Name in the page what it will need: the interface itself, fetched beside its first calls, and the file of the
 * viewer, so that it can be fetched before it is run. */
function laterParts(): Plugin {
  return {
    name: 'hv-later-parts',
    transformIndexHtml: {
      order: 'post',
      handler: (html, { bundle }) => {
        const fresh = (names: Set<string>) => [...names].filter((name) => !html.includes(`/${name}"`)) // Vite names what main needs
        const chunk = (source: string) =>
          Object.values(bundle ?? {}).find((part) => part.type === 'chunk' && part.facadeModuleId?.endsWith(source)) as Chunk | undefined
        const start = chunk('src/app/start.tsx')
        const viewer = chunk('src/screens/viewer/index.tsx')
        if (!bundle || !start || !viewer) return []
        const { scripts, styles } = needed(bundle, start, { scripts: new Set(), styles: new Set() })
        return [
          ...fresh(scripts).map((name) => ({ tag: 'link', attrs: { rel: 'modulepreload', crossorigin: true, href: `/${name}` } })),
          ...fresh(styles).map((name) => ({ tag: 'link', attrs: { rel: 'stylesheet', crossorigin: true, href: `/${name}` } })),
          { tag: 'meta', attrs: { name: 'hv-viewer', content: `/${viewer.fileName}` } },
        ].map((tag) => ({ ...tag, injectTo: 'head' as const }))
      },
    },
  }
}

interface Chunk {
  fileName: string
  imports: string[]
  viteMetadata?: { importedCss: Set<string> }
}

interface Needed {
  scripts: Set<string>
  styles: Set<string>
}

/** A part of the interface, what it imports, and their styles. */
function needed(bundle: Record<string, unknown>, part: Chunk, all: Needed): Needed {
  if (all.scripts.has(part.fileName)) return all
  all.scripts.add(part.fileName)
  for (const name of part.viteMetadata?.importedCss ?? []) all.styles.add(name)
  for (const name of part.imports) if (bundle[name]) needed(bundle, bundle[name] as Chunk, all)
  return all
}

// the image codecs look for Node's file system, and go on without it; every other warning is shown
const KNOWN = /Module "(fs|path)" has been externalized for browser compatibility, imported by "[^"]*@cornerstonejs\/codec-/

function withoutKnownWarnings(): Plugin {
  return { name: 'hv-known-warnings', onLog: (_level, log) => !KNOWN.test(log.message) }
}

export default defineConfig({
  plugins: [react(), laterParts(), withoutKnownWarnings()],
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
