// SPDX-License-Identifier: Apache-2.0
// Other studies of the patient; the latest earlier one of the same modality is proposed.
import { useQuery } from '@tanstack/react-query'
import { Button, Tag } from 'antd'
import { useTranslation } from 'react-i18next'
import { listStudies, type StudyRead } from '../../api/generated'
import { Trouble } from '../../app/errors'
import { dicomMoment } from '../../components/text'
import { openPrior, useViewer } from '../../viewer'

const at = (s: StudyRead) => `${s.study_date}${s.study_time}`

/** The study to compare with: the latest earlier one that shares a modality, else the latest earlier one. */
export function suggestPrior(study: StudyRead, others: readonly StudyRead[]): StudyRead | undefined {
  const earlier = others.filter((s) => at(s) <= at(study)).sort((a, b) => at(b).localeCompare(at(a)))
  const images = (s: StudyRead) => s.modalities.filter((m) => !['SEG', 'SR', 'DOC', 'OT', 'PR', 'KO'].includes(m))
  return earlier.find((s) => images(s).some((m) => images(study).includes(m))) ?? earlier[0]
}

export function Priors({ study, space }: { study: StudyRead; space: string }) {
  const { t } = useTranslation('viewer')
  const opened = useViewer((s) => s.studies)
  const asked = useQuery({
    queryKey: ['viewer-priors', study.patient_ref, study.patient_id, space],
    queryFn: async () => (await listStudies({ query: { patient_id: study.patient_id, space, limit: 100 }, throwOnError: true })).data,
    enabled: study.patient_id !== '',
  })
  if (asked.isError) return <Trouble error={asked.error} retry={() => void asked.refetch()} />
  const others = (asked.data?.items ?? []).filter((s) => s.patient_ref === study.patient_ref && s.study_uid !== study.study_uid)
  const best = suggestPrior(study, others)
  if (others.length === 0) return <p className="hv-empty">{asked.isFetching ? t('tile.loading') : t('prior.none')}</p>
  const sorted = [...others].sort((a, b) => at(b).localeCompare(at(a)))
  return (
    <ul className="hv-list">
      {sorted.map((other) => (
        <li key={other.id} className="hv-row hv-prior">
          <div className="hv-grow">
            <b className="hv-num">{dicomMoment(other.study_date, other.study_time)}</b> {other.modalities.join('/')}
            {other.id === best?.id && <Tag color="blue">{t('prior.best')}</Tag>}
            <div className="hv-dim hv-data">{other.description}</div>
          </div>
          <Button
            size="small"
            type={other.id === best?.id ? 'primary' : 'default'}
            disabled={opened.some((s) => s.place.studyUid === other.study_uid)}
            onClick={() =>
              void openPrior({
                place: { space, studyUid: other.study_uid },
                date: other.study_date,
                description: other.description,
              })
            }
          >
            {t('prior.compare')}
          </Button>
        </li>
      ))}
    </ul>
  )
}
