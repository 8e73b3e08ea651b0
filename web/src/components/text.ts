// SPDX-License-Identifier: Apache-2.0
// Words and numbers in the person's language.
import dayjs from 'dayjs'
import { useTranslation } from 'react-i18next'

/** Return a function that picks the language of a pair of texts of the server. */
export function useText(): (pair: { zh: string; en: string }) => string {
  const { i18n } = useTranslation()
  return (pair) => (i18n.language === 'en' ? pair.en : pair.zh)
}

/** '20250401' and '093015.12' as '2025-04-01 09:30'; '' when there is no date. */
export function dicomMoment(date: string, time = ''): string {
  if (!/^\d{8}$/.test(date)) return date
  const day = `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6, 8)}`
  return /^\d{4}/.test(time) ? `${day} ${time.slice(0, 2)}:${time.slice(2, 4)}` : day
}

/** A moment of the server in local time. */
export function moment(at: string | null | undefined, seconds = false): string {
  return at ? dayjs(at).format(seconds ? 'YYYY-MM-DD HH:mm:ss' : 'YYYY-MM-DD HH:mm') : '—'
}

/** Bytes as '12.3 MB'. */
export function bytes(size: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  let value = size
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit] ?? ''}`
}

/** Seconds as 'm:ss' or 'h:mm:ss'; the sign is left to the caller. */
export function clock(seconds: number): string {
  const whole = Math.floor(Math.abs(seconds))
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const two = (n: number) => String(n).padStart(2, '0')
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}

/** DICOM 'Wang^Li=王^丽' as people write it: the ideographic part first when there is one. */
export function personName(name: string, chinese: boolean): string {
  const [plain = '', ideographic = ''] = name.split('=')
  const chosen = chinese && ideographic ? ideographic : plain || ideographic
  const parts = chosen.split('^').map((p) => p.trim()).filter(Boolean)
  return /[\u3400-\u9fff]/.test(chosen) ? parts.join('') : parts.join(' ')
}

/** Whole years between a birth date (YYYYMMDD) and a day; undefined when unknown. */
export function ageAt(birth: string, day: string): number | undefined {
  const from = asDay(birth)
  if (!from) return undefined
  const years = (asDay(day) ?? dayjs()).diff(from, 'year')
  return years >= 0 && years < 150 ? years : undefined
}

function asDay(text: string): dayjs.Dayjs | undefined {
  return /^\d{8}$/.test(text) ? dayjs(`${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6, 8)}`) : undefined
}
