// SPDX-License-Identifier: Apache-2.0
// The words beside a drawn measurement: the same in both languages, short, with units.
import type { MeasureKind } from './model'

type Stats = Record<string, unknown>
interface Drawn {
  label?: string
  cachedStats?: Record<string, Stats | undefined>
  author?: string // of a measurement that is somebody else's
}

export function unitText(unit: unknown): string {
  if (typeof unit !== 'string' || unit === '' || unit === 'raw') return ''
  return ` ${unit.split(' ')[0]?.replace('^2', '²').replace('\xB2', '²') ?? ''}`
}

export function shown(value: unknown, digits = 1): string | undefined {
  const found: unknown = Array.isArray(value) ? value[0] : value
  return typeof found === 'number' && Number.isFinite(found) ? found.toFixed(digits) : undefined
}

const MAKERS: Record<MeasureKind, (s: Stats) => (string | undefined)[]> = {
  length: (s) => [line('', s.length, s.unit)],
  bidirectional: (s) => [line('L ', s.length, s.unit), line('W ', s.width, s.unit)],
  angle: (s) => [line('', s.angle, '°')],
  ellipse: area,
  rectangle: area,
  probe: (s) => [line('', s.value, s.modalityUnit, 0)],
  arrow: () => [],
}

function line(before: string, value: unknown, unit: unknown, digits = 1): string | undefined {
  const text = shown(value, digits)
  return text === undefined ? undefined : `${before}${text}${unit === '°' ? '°' : unitText(unit)}`
}

function area(s: Stats): (string | undefined)[] {
  const mean = shown(s.mean)
  const deviation = shown(s.stdDev)
  return [
    line('', s.area, s.areaUnit),
    mean === undefined ? undefined : `x̄ ${mean}${deviation === undefined ? '' : ` ± ${deviation}`}${unitText(s.modalityUnit)}`,
    shown(s.min, 0) === undefined ? undefined : `${shown(s.min, 0)} … ${shown(s.max, 0)}`,
  ]
}

/** Configuration of a tool that makes it write our words. */
export function measureLines(kind: string): object {
  const maker = MAKERS[kind as MeasureKind]
  if (kind === 'arrow') return {}
  return {
    getTextLines: (data: Drawn, target: string | string[]): string[] | undefined => {
      const stats = data.cachedStats?.[Array.isArray(target) ? (target[0] ?? '') : target]
      if (!stats) return undefined
      const lines = maker(stats).filter((text) => text !== undefined)
      return data.author ? [...lines, data.author] : lines
    },
  }
}
