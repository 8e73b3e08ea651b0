// SPDX-License-Identifier: Apache-2.0
// Parts of the interface that are fetched when they are needed. One that was lost on the way is fetched
// again the next time it is wanted: the page need not be loaded anew.

type Load<T> = () => Promise<T>

function fetchAgain(lost: HTMLLinkElement): Promise<void> {
  return new Promise((resolve, reject) => {
    const link = document.createElement('link')
    link.rel = 'stylesheet'
    link.crossOrigin = lost.crossOrigin
    link.href = lost.href
    link.onload = () => { resolve() }
    link.onerror = () => { reject(new Error(`style sheet not loaded: ${lost.href}`)) }
    lost.replaceWith(link)
  })
}

/** Fetch style sheets that did not arrive. The builder's loader asks for each only once, and would go on without them. */
async function mendStyles(): Promise<void> {
  const links = [...document.querySelectorAll<HTMLLinkElement>('link[rel=stylesheet]')]
  await Promise.all(links.filter((link) => !link.sheet).map(fetchAgain))
}

/** Return a loader whose next call after a failure tries everything again. */
export function anew<T>(load: Load<T>): Load<T> {
  let failed = false
  return async () => {
    try {
      if (failed) await mendStyles()
      const loaded = await load()
      failed = false
      return loaded
    } catch (error) {
      failed = true
      throw error
    }
  }
}
