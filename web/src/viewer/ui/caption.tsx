// SPDX-License-Identifier: Apache-2.0
// The texts in the corners of a picture.
import { useTranslation } from 'react-i18next'
import { number, numbers, text, type Dataset } from '../dicom/dataset'
import type { SeriesItem } from '../dicom/series'
import { day, personName } from '../words'
import type { Seen } from './tile'

interface Props {
  ds: Dataset
  seen: Seen
  item: SeriesItem | undefined
  prior: boolean
  name: string | undefined
  colour: string | undefined
}

export function Caption({ ds, seen, item, prior, name, colour }: Props) {
  const { t, i18n } = useTranslation('viewer')
  const [rows, columns] = numbers(ds, '00280030')
  const thick = number(ds, '00180050')
  const lossy = text(ds, '00282110') === '01'
  return (
    <>
      <div className="hv-text hv-text-nw">
        <b>{personName(text(ds, '00100010'), i18n.language !== 'en')}</b>
        <span>
          {text(ds, '00100020')} {text(ds, '00100040')} {day(text(ds, '00100030'))}
        </span>
        {prior && <span className="hv-flag">{t('prior.flag')}</span>}
      </div>
      <div className="hv-text hv-text-ne">
        <span>{day(text(ds, '00080020'))}</span>
        <span>{text(ds, '00081030')}</span>
        <span>{text(ds, '00080080')}</span>
      </div>
      <div className="hv-text hv-text-sw">
        {name && <b style={{ color: colour }}>{name}</b>}
        <span>
          {item && `${item.modality} ${item.number} · `}
          {item?.description}
        </span>
        <span className="hv-num" data-slice-text>
          {t('tile.of', { n: seen.index + 1, of: seen.count })}
          {!name && thick ? ` · ${thick} mm` : ''}
          {lossy && ` · ${t('tile.lossy')}`}
        </span>
      </div>
      <div className="hv-text hv-text-se hv-num">
        {!rows && !columns && <span className="hv-flag">{t('tile.unscaled')}</span>}
        <span>{`${Math.round(seen.zoom * 100)} %`}</span>
        <span data-window>{seen.window}</span>
      </div>
    </>
  )
}
