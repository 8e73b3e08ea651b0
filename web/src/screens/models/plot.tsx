// SPDX-License-Identifier: Apache-2.0
// Measured values with their intervals on one axis from 0 to 1 (a forest plot).
import { useTranslation } from 'react-i18next'

export interface Line {
  name: string
  value: number
  low: number | null
  high: number | null
  n: number
}

const ROW = 24
const LEFT = 250
const WIDTH = 320
const RIGHT = 190

function x(value: number): number {
  return LEFT + value * WIDTH
}

/** Tell whether a measured value is a share, which the plot can show. */
export function isShare(line: Line): boolean {
  return line.value >= 0 && line.value <= 1 && (line.high ?? 0) <= 1 && (line.low ?? 0) >= 0
}

export function number(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)))
}

export function range(line: Line): string {
  const bounds = line.low !== null && line.high !== null ? ` [${number(line.low)}, ${number(line.high)}]` : ''
  return `${number(line.value)}${bounds}`
}

export function ForestPlot({ lines, title }: { lines: Line[]; title: string }) {
  const { t } = useTranslation('models')
  const height = lines.length * ROW + 26
  const ticks = [0, 0.25, 0.5, 0.75, 1]
  return (
    <svg className="hv-forest" viewBox={`0 0 ${LEFT + WIDTH + RIGHT} ${height}`} role="img" aria-label={title}>
      {ticks.map((tick) => (
        <g key={tick}>
          <line x1={x(tick)} x2={x(tick)} y1={0} y2={height - 20} className="hv-forest-grid" />
          <text x={x(tick)} y={height - 6} textAnchor="middle" className="hv-forest-dim">
            {tick}
          </text>
        </g>
      ))}
      {lines.map((line, at) => {
        const y = at * ROW + 13
        return (
          <g key={line.name + String(at)}>
            <text x={LEFT - 10} y={y + 4} textAnchor="end" className="hv-forest-text">
              {line.name}
            </text>
            {line.low !== null && line.high !== null && (
              <line x1={x(line.low)} x2={x(line.high)} y1={y} y2={y} className="hv-forest-range" />
            )}
            <rect x={x(line.value) - 4} y={y - 4} width={8} height={8} className="hv-forest-dot" />
            <text x={LEFT + WIDTH + 12} y={y + 4} className="hv-forest-dim">
              {range(line)} {t('n', { n: line.n })}
            </text>
          </g>
        )
      })}
    </svg>
  )
}
