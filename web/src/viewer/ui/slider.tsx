// SPDX-License-Identifier: Apache-2.0
// Where in the series: a thin bar at the right border, to be dragged.
import { useRef } from 'react'
import { goToSlice, portOf } from '../viewports'

export function Slider({ id, index, count, label }: { id: string; index: number; count: number; label: string }) {
  const bar = useRef<HTMLDivElement>(null)
  if (count < 2) return null
  const go = (y: number) => {
    const box = bar.current?.getBoundingClientRect()
    const port = portOf(id)
    if (box && port) goToSlice(port, Math.round(((y - box.top) / box.height) * (count - 1)))
  }
  return (
    <div
      ref={bar}
      className="hv-slider"
      role="scrollbar"
      aria-label={label}
      aria-controls={id}
      aria-orientation="vertical"
      aria-valuemin={1}
      aria-valuemax={count}
      aria-valuenow={index + 1}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId)
        go(event.clientY)
      }}
      onPointerMove={(event) => {
        if (event.buttons === 1) go(event.clientY)
      }}
    >
      <i style={{ top: `${(100 * index) / (count - 1)}%` }} />
    </div>
  )
}
