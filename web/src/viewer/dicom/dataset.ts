// SPDX-License-Identifier: Apache-2.0
// Values out of a DICOM JSON data set (PS3.18 F).
export interface Element {
  vr: string
  Value?: unknown[]
  BulkDataURI?: string
  InlineBinary?: string
}
export type Dataset = Record<string, Element | undefined>

export function text(ds: Dataset | undefined, tag: string, index = 0): string {
  const value = ds?.[tag]?.Value?.[index]
  if (value === undefined || value === null) return ''
  if (typeof value === 'object') {
    const name = value as { Alphabetic?: string; Ideographic?: string }
    return [name.Alphabetic ?? '', name.Ideographic ?? ''].filter((p, i) => i === 0 || p).join('=')
  }
  return String(value as string | number)
}

export function texts(ds: Dataset | undefined, tag: string): string[] {
  return (ds?.[tag]?.Value ?? []).map((_, i) => text(ds, tag, i))
}

export function number(ds: Dataset | undefined, tag: string, index = 0): number | undefined {
  const value = ds?.[tag]?.Value?.[index]
  const found = typeof value === 'string' ? Number(value) : value
  return typeof found === 'number' && Number.isFinite(found) ? found : undefined
}

export function numbers(ds: Dataset | undefined, tag: string): number[] {
  return (ds?.[tag]?.Value ?? []).map((_, i) => number(ds, tag, i)).filter((n) => n !== undefined)
}

export function items(ds: Dataset | undefined, tag: string): Dataset[] {
  return (ds?.[tag]?.Value ?? []).filter((v): v is Dataset => typeof v === 'object' && v !== null)
}

export function first(ds: Dataset | undefined, tag: string): Dataset | undefined {
  return items(ds, tag)[0]
}
