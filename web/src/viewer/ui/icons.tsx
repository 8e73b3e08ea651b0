// SPDX-License-Identifier: Apache-2.0
// Line drawings of the tools, 20 x 20.
const PATHS: Record<string, string> = {
  window: 'M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14',
  scroll: 'M5 4h10v4H5zM5 12h10v4H5zM10 8v4',
  pan: 'M10 2v16M2 10h16M10 2 8 4.500M10 2l2 2.500M10 18l-2-2.500M10 18l2-2.500M2 10l2.500-2M2 10l2.500 2M18 10l-2.500-2M18 10l-2.500 2',
  zoom: 'M8.500 3a5.500 5.500 0 1 0 0 11 5.500 5.500 0 0 0 0-11zM12.600 12.600 17 17M6 8.500h5M8.500 6v5',
  length: 'M3 17 17 3M2 14l4 4M14 2l4 4',
  angle: 'M16 17H4L13 4M9 17a6 6 0 0 0-2.200-4.200',
  bidirectional: 'M3 17 17 3M7 7l6 6',
  ellipse: 'M10 5c4.400 0 8 2.200 8 5s-3.600 5-8 5-8-2.200-8-5 3.600-5 8-5z',
  rectangle: 'M3 5h14v10H3z',
  probe: 'M10 2v6M10 12v6M2 10h6M12 10h6M10 9.500v1',
  arrow: 'M17 3 5 15M5 9v6h6',
  erase: 'M4 13 12 5l5 5-7 7H7zM9 8l5 5',
  crosshairs: 'M10 2v16M2 10h16M10 5.500a4.500 4.500 0 1 0 0 9 4.500 4.500 0 0 0 0-9z',
  invert: 'M3 3h14v14H3zM3 17 17 3v14z',
  flipHorizontal: 'M10 2v16M7 6 3 14h4zM13 6l4 8h-4z',
  flipVertical: 'M2 10h16M6 7l8-4v4zM6 13l8 4v-4z',
  rotate: 'M16 10a6 6 0 1 1-2-4.500M14.500 2v4h-4',
  reset: 'M4 10a6 6 0 1 0 2-4.500M5.500 2v4h4M10 8v4',
  undo: 'M4 8h8a4 4 0 0 1 0 8H8M4 8l4-4M4 8l4 4',
  redo: 'M16 8H8a4 4 0 0 0 0 8h4M16 8l-4-4M16 8l-4 4',
  save: 'M4 3h10l3 3v11H4zM7 3v4h6V3M7 17v-5h7v5',
  texts: 'M4 5h12M10 5v11M7 16h6',
  overlays: 'M10 3 2.500 7.500 10 12l7.500-4.500zM2.500 12 10 16.500l7.500-4.500',
  link: 'M8 12 12 8M9 6l2-2a3.500 3.500 0 0 1 5 5l-2 2M11 14l-2 2a3.500 3.500 0 0 1-5-5l2-2',
  layout1: 'M3 4h14v12H3z',
  layout2: 'M3 4h14v12H3zM10 4v12',
  layout4: 'M3 4h14v12H3zM10 4v12M3 10h14',
  mpr: 'M3 4h14v12H3zM11 4v12M11 10h6',
  mip: 'M10 3v14M6 6l4-3 4 3M5 10h10M6 14l4 3 4-3',
  space: 'M10 2.500 17 6v8l-7 3.500L3 14V6zM3 6l7 3.500L17 6M10 9.500v8',
  take: 'M7 7h10v10H7zM13 7V3H3v10h4',
  help: 'M7 7.500a3 3 0 1 1 4 2.800c-.8.3-1 .9-1 1.700M10 15v.5',
}

export function Icon({ name }: { name: string }) {
  return (
    <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true" className="hv-icon">
      <path d={PATHS[name] ?? PATHS.help} />
    </svg>
  )
}
