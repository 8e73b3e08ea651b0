// SPDX-License-Identifier: Apache-2.0
// Small geometry in the patient's coordinates (LPS, mm).
export type Vec = [number, number, number]

export const minus = (a: Vec, b: Vec): Vec => [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
export const plus = (a: Vec, b: Vec): Vec => [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
export const times = (a: Vec, f: number): Vec => [a[0] * f, a[1] * f, a[2] * f]
export const dot = (a: Vec, b: Vec): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
export const length = (a: Vec): number => Math.sqrt(dot(a, a))
export const cross = (a: Vec, b: Vec): Vec => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
]

export function unit(a: Vec): Vec {
  const size = length(a)
  return size > 0 ? times(a, 1 / size) : [0, 0, 0]
}

/** The side of the patient that a direction points to, e.g. 'L' or 'LA'; up to two letters. */
export function side(direction: Vec): string {
  const d = unit(direction)
  const letters: [number, string][] = [
    [d[0], d[0] > 0 ? 'L' : 'R'],
    [d[1], d[1] > 0 ? 'P' : 'A'],
    [d[2], d[2] > 0 ? 'H' : 'F'],
  ]
  return letters
    .filter(([part]) => Math.abs(part) > 0.25)
    .sort((a, b) => Math.abs(b[0]) - Math.abs(a[0]))
    .slice(0, 2)
    .map(([, letter]) => letter)
    .join('')
}

export interface Plane {
  position: Vec
  row: Vec // direction of growing columns
  column: Vec // direction of growing rows
  rowSpacing: number // between rows
  columnSpacing: number // between columns
  rows: number
  columns: number
}

/** (column, row) of a point in the plane; the centre of the first pixel is (0, 0). */
export function toPixel(plane: Plane, point: Vec): [number, number] {
  const d = minus(point, plane.position)
  return [dot(d, plane.row) / plane.columnSpacing, dot(d, plane.column) / plane.rowSpacing]
}

/** The point of a pixel (column, row). */
export function toWorld(plane: Plane, pixel: readonly [number, number]): Vec {
  const across = times(plane.row, pixel[0] * plane.columnSpacing)
  return plus(plane.position, plus(across, times(plane.column, pixel[1] * plane.rowSpacing)))
}

export function normalOf(plane: Plane): Vec {
  return cross(plane.row, plane.column)
}

/** Distance of a point from the plane in mm, signed. */
export function distance(plane: Plane, point: Vec): number {
  return dot(minus(point, plane.position), normalOf(plane))
}
