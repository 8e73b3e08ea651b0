// SPDX-License-Identifier: Apache-2.0
// The picture of the first image at the place where the viewer will draw it, marked as on its way.
import { useLayoutEffect, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import { endStanding } from './standing'
import { useFirst } from './state'

export function FirstPicture() {
  const { t } = useTranslation('viewer')
  const picture = useFirst((s) => s.picture)
  const place = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => {
    if (picture) place.current?.replaceChildren(picture.element)
    endStanding()
  }, [picture])
  if (!picture) return null
  return (
    <div className="hv-first" data-first={picture.sopUid} style={{ '--hv-aspect': picture.aspect } as React.CSSProperties}>
      <div ref={place} className="hv-first-fit" />
      <span className="hv-first-word" role="status">{t('tile.loading')}</span>
    </div>
  )
}

/** A tile of which nothing is drawn: the picture, or the word that it is on its way. */
export function WaitingTile() {
  const { t } = useTranslation('viewer')
  const there = useFirst((s) => s.picture !== undefined)
  return <section className="hv-tile">{there ? <FirstPicture /> : <p className="hv-tile-word" role="status">{t('tile.loading')}</p>}</section>
}
