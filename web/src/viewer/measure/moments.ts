// SPDX-License-Identifier: Apache-2.0
// Moments as DICOM writes them (DT, PS3.5 6.2) and as people read them.

const two = (n: number) => String(n).padStart(2, '0')

/** 'YYYYMMDD'. */
export function dicomDate(at: Date): string {
  return `${at.getFullYear()}${two(at.getMonth() + 1)}${two(at.getDate())}`
}

/** 'HHMMSS.FFF'. */
export function dicomTime(at: Date): string {
  return `${two(at.getHours())}${two(at.getMinutes())}${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, '0')}`
}

/** Local time with its distance from UTC. */
export function dicomMoment(at: Date): string {
  const minutes = -at.getTimezoneOffset()
  const zone = `${minutes < 0 ? '-' : '+'}${two(Math.trunc(Math.abs(minutes) / 60))}${two(Math.abs(minutes) % 60)}`
  return `${dicomDate(at)}${dicomTime(at)}${zone}`
}

const MOMENT = /^(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(\d{2})?(?:\.(\d{1,6}))?)?([+-]\d{4})?$/

/** 'YYYY-MM-DD HH:MM' where the reader is; as written when it names no zone; '' when there is none. */
export function readable(moment: string): string {
  const found = MOMENT.exec(moment.trim())
  if (!found) return ''
  const [, year = '', month = '', day = '', hour, minute = '', second = '00', , zone] = found
  if (hour === undefined) return `${year}-${month}-${day}`
  if (zone === undefined) return `${year}-${month}-${day} ${hour}:${minute}`
  const at = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}${zone.slice(0, 3)}:${zone.slice(3)}`)
  if (Number.isNaN(at.getTime())) return ''
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`
}
