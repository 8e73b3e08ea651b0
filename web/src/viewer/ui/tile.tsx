// SPDX-License-Identifier: Apache-2.0
// One picture with its texts: patient, series, slice, window, sides of the patient, progress, trouble.
import { useEffect, useState, type ReactNode } from 'react'
import { Enums, eventTarget } from '@cornerstonejs/core'
import { useTranslation } from 'react-i18next'
import type { Vec } from '../geometry'
import { broken } from '../loading'
import { windowOf } from '../presets'
import { findSeries, useViewer } from '../store'
import { isStack, portOf, sidesOf, type Port, type Sides } from '../viewports'
import { Caption } from './caption'
import { Slider } from './slider'

export interface Seen {
  index: number
  count: number
  window: string
  zoom: number
  sides: Sides
  trouble: string | undefined
  cross: [number, number] | undefined
}

const EVENTS = [
  Enums.Events.CAMERA_MODIFIED,
  Enums.Events.VOI_MODIFIED,
  Enums.Events.STACK_NEW_IMAGE,
  Enums.Events.VOLUME_NEW_IMAGE,
  Enums.Events.IMAGE_RENDERED,
]

function look(port: Port, seriesKey: string | undefined): Seen | undefined {
  const { loaded, mark } = useViewer.getState()
  const images = seriesKey ? loaded[seriesKey]?.images : undefined
  if (!images?.length || !port.getDefaultActor()) return undefined
  const index = isStack(port) ? port.getCurrentImageIdIndex() : port.getSliceIndex()
  const range = port.getProperties()?.voiRange
  const shown = range && windowOf(range)
  const image = isStack(port) ? images[index] : images[0]
  return {
    index,
    count: port.getNumberOfSlices(),
    window: shown && port.element.closest('[data-tile=space]') === null ? `W ${Math.round(shown.width)} L ${Math.round(shown.centre)}` : '',
    zoom: port.getZoom(),
    sides: sidesOf(port, Boolean(image?.plane)),
    trouble: isStack(port) && image ? broken.get(image.imageId) : undefined,
    cross: isStack(port) && mark && findSeries(seriesKey)?.study.place.studyUid === mark.studyUid ? crossAt(port, mark.position) : undefined,
  }
}

/** Where a marked point lies in the picture; undefined when it is not in this slice. */
function crossAt(port: Port, position: Vec): [number, number] | undefined {
  const { viewPlaneNormal: n, focalPoint: f } = port.getCamera()
  if (!n || !f) return undefined
  const away = Math.abs(n[0] * (position[0] - f[0]) + n[1] * (position[1] - f[1]) + n[2] * (position[2] - f[2]))
  if (away > 3) return undefined
  return port.worldToCanvas(position) as [number, number]
}

/** Follow what a viewport shows; one look per painted frame at most. */
export function useSeen(id: string, seriesKey: string | undefined, ready: boolean): Seen | undefined {
  const [seen, setSeen] = useState<Seen>()
  const mark = useViewer((s) => s.mark)
  const failed = useViewer((s) => (seriesKey ? s.loaded[seriesKey]?.failed : 0))
  useEffect(() => {
    const port = portOf(id)
    if (!port || !ready) return
    let waiting = 0
    const update = () => {
      waiting ||= requestAnimationFrame(() => {
        waiting = 0
        if (portOf(id) === port) setSeen(look(port, seriesKey))
      })
    }
    for (const event of EVENTS) port.element.addEventListener(event, update)
    eventTarget.addEventListener(Enums.Events.IMAGE_LOAD_ERROR, update)
    update()
    return () => {
      cancelAnimationFrame(waiting)
      for (const event of EVENTS) port.element.removeEventListener(event, update)
      eventTarget.removeEventListener(Enums.Events.IMAGE_LOAD_ERROR, update)
    }
  }, [id, seriesKey, ready, mark, failed])
  return seen
}

interface Props {
  id: string
  seriesKey: string | undefined
  ready: boolean
  name?: string | undefined
  colour?: string | undefined
  active?: boolean
  trouble?: string | undefined
  element: React.RefObject<HTMLDivElement | null>
  onPick?: () => void
  onDropSeries?: (key: string) => void
  first?: ReactNode // stands until the image is drawn
  children?: ReactNode
}

export function Tile(props: Props) {
  const { id, seriesKey, ready, element } = props
  const { t } = useTranslation('viewer')
  const seen = useSeen(id, seriesKey, ready)
  const texts = useViewer((s) => s.texts)
  const loaded = useViewer((s) => (seriesKey ? s.loaded[seriesKey] : undefined))
  const found = findSeries(seriesKey)
  const trouble = props.trouble ?? seen?.trouble
  const ds = loaded?.images[seen?.index ?? 0]?.dataset ?? loaded?.images[0]?.dataset
  return (
    <section
      className={`hv-tile${props.active ? ' hv-tile-active' : ''}${found?.study.prior ? ' hv-tile-prior' : ''}`}
      aria-label={props.name ?? found?.item.description ?? t('tile.empty')}
      data-tile={id}
      data-slice={seen?.index}
      data-ready={seen ? '' : undefined}
      onPointerDownCapture={props.onPick}
      onDragOver={(event) => {
        event.preventDefault()
      }}
      onDrop={(event) => {
        event.preventDefault()
        props.onDropSeries?.(event.dataTransfer.getData('text/plain'))
      }}
    >
      <div
        ref={element}
        id={id}
        className="hv-port"
        onContextMenu={(event) => {
          event.preventDefault()
        }}
      />
      {props.first}
      {!seriesKey && !props.first && <p className="hv-tile-word">{t('tile.empty')}</p>}
      {seriesKey && !props.first && !seen && !trouble && <p className="hv-tile-word" role="status">{t('tile.loading')}</p>}
      {trouble && (
        <div className="hv-tile-trouble" role="alert">
          <strong>{t('tile.cannot')}</strong>
          <span>{t(`trouble.${trouble}`)}</span>
        </div>
      )}
      {texts && ds && seen && <Caption ds={ds} seen={seen} item={found?.item} prior={found?.study.prior ?? false} name={props.name} colour={props.colour} />}
      {seen && (
        <>
          {(['left', 'right', 'top', 'bottom'] as const).map((at) => (
            <span key={at} className={`hv-side hv-side-${at}`} data-side={at}>
              {seen.sides[at]}
            </span>
          ))}
          {seen.cross && (
            <svg className="hv-cross" aria-hidden="true" style={{ left: seen.cross[0], top: seen.cross[1] }} viewBox="-30 -30 60 60">
              <path d="M-28 0H-10M10 0H28M0-28V-10M0 10V28" />
              <circle r="18" />
            </svg>
          )}
          <Slider id={id} index={seen.index} count={seen.count} label={t('tile.slice')} />
        </>
      )}
      {loaded && loaded.done + loaded.failed < loaded.images.length && (
        <div className="hv-progress" role="progressbar" aria-label={t('tile.progress')} aria-valuemin={0} aria-valuemax={loaded.images.length} aria-valuenow={loaded.done}>
          <i style={{ width: `${(100 * (loaded.done + loaded.failed)) / loaded.images.length}%` }} />
        </div>
      )}
      {props.children}
    </section>
  )
}

