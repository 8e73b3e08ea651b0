// SPDX-License-Identifier: Apache-2.0
// Style elements that libraries make get the nonce of the page; the policy refuses all others.

/** The nonce that the server put into this page; undefined with Vite's own server. */
export const nonce = document.querySelector<HTMLMetaElement>('meta[name="hv-nonce"]')?.content

/** Give each style element made from here on the nonce: some libraries know no option for it. */
export function markStyles(): void {
  if (!nonce) return
  const create = document.createElement.bind(document)
  document.createElement = ((name: string, options?: ElementCreationOptions) => {
    const made = create(name, options)
    if (name.toLowerCase() === 'style') made.nonce = nonce
    return made
  }) as typeof document.createElement
}
