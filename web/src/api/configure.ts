// SPDX-License-Identifier: Apache-2.0
// How the generated client reaches the server: same origin, cookie session, our own transport.
import type { CreateClientConfig } from './generated/client.gen'
import { transport } from './transport'

export const createClientConfig: CreateClientConfig = (config) => ({
  ...config,
  baseUrl: '',
  fetch: transport,
})
