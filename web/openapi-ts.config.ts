// SPDX-License-Identifier: Apache-2.0
import { defineConfig } from '@hey-api/openapi-ts'

export default defineConfig({
  input: process.env.HV_OPENAPI ?? '../docs/reference/openapi.json',
  output: { path: process.env.HV_API_OUT ?? 'src/api/generated' },
  plugins: [
    { name: '@hey-api/client-fetch', runtimeConfigPath: './src/api/configure.ts' },
    '@hey-api/typescript',
    { name: '@hey-api/sdk' },
    '@tanstack/react-query',
  ],
})
