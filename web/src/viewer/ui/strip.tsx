// SPDX-License-Identifier: Apache-2.0
// The series of the study and of opened priors, as pictures to choose or to drag into a tile.
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { hasImages, type SeriesItem } from '../dicom/series'
import { seriesRoot } from '../dicom/web'
import { GRID, useViewer, view, type StudyHere } from '../store'
import { day } from '../words'

function Thumb({ study, item }: { study: StudyHere; item: SeriesItem }) {
  const { t } = useTranslation('viewer')
  const [failed, setFailed] = useState(false)
  const slots = useViewer((s) => s.slots)
  const layout = useViewer((s) => s.layout)
  const loaded = useViewer((s) => s.loaded[item.key])
  const shown = slots.slice(0, GRID[layout]).some((s) => s.series === item.key)
  const total = loaded?.images.length ?? item.images
  return (
    <button
      type="button"
      className={`hv-thumb${shown ? ' hv-thumb-shown' : ''}`}
      title={item.description}
      draggable
      data-series={item.uid}
      onDragStart={(event) => {
        event.dataTransfer.setData('text/plain', item.key)
      }}
      onClick={() => {
        view.put(view.get().active, item.key)
      }}
    >
      <span className="hv-thumb-picture">
        {failed ? (
          <em>{t('strip.none')}</em>
        ) : (
          <img
            src={`${seriesRoot(study.place, item.uid)}/thumbnail`}
            alt=""
            loading="lazy"
            draggable={false}
            onError={() => {
              setFailed(true)
            }}
          />
        )}
        <b>{item.modality}</b>
        <i className="hv-num">{total}</i>
      </span>
      <span className="hv-thumb-name">
        {item.number} · {item.description || t('strip.unnamed')}
      </span>
    </button>
  )
}

export function Strip() {
  const { t } = useTranslation('viewer')
  const studies = useViewer((s) => s.studies)
  return (
    <nav className="hv-strip" aria-label={t('strip.label')}>
      {studies.map((study) => (
        <section key={study.place.studyUid} className={study.prior ? 'hv-strip-prior' : ''}>
          <h2>
            {study.prior && <span className="hv-flag">{t('prior.flag')}</span>} {day(study.date)}
            <small className="hv-data">{study.description}</small>
          </h2>
          {study.series.filter((s) => hasImages(s.modality)).map((item) => (
            <Thumb key={item.key} study={study} item={item} />
          ))}
        </section>
      ))}
    </nav>
  )
}
