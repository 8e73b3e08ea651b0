// SPDX-License-Identifier: Apache-2.0
// Names and dates of DICOM as people write them.

/** 'Wang^Li=王^丽': the ideographic part first when it is wanted and there. */
export function personName(name: string, chinese: boolean): string {
  const [plain = '', ideographic = ''] = name.split('=')
  const chosen = chinese && ideographic ? ideographic : plain || ideographic
  const parts = chosen.split('^').map((p) => p.trim()).filter(Boolean)
  return /[\u3400-\u9fff]/.test(chosen) ? parts.join('') : parts.join(' ')
}

/** The name of a reader as it was typed: 'Li^Mei' as 'Mei Li', '王^丽' as '王丽'. */
export function readerName(name: string): string {
  const [family = '', given = ''] = (name.split('=')[0] ?? '').split('^').map((p) => p.trim())
  return /[\u3400-\u9fff]/.test(family) ? `${family}${given}` : [given, family].filter(Boolean).join(' ')
}

/** '20250401' as '2025-04-01'. */
export function day(date: string): string {
  return /^\d{8}$/.test(date) ? `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6, 8)}` : date
}
