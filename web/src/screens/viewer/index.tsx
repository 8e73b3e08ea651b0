// SPDX-License-Identifier: Apache-2.0
// The viewer's screen: which study, which finding, which priors; the viewer itself is src/viewer.
import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { useParams, useSearchParams } from 'react-router'
import { getResult, type Finding } from '../../api/generated'
import { codeOf } from '../../api/problem'
import { Trouble } from '../../app/errors'
import { useSession } from '../../app/session'
import { jumpTo, startEngine, Viewer, type StudyToOpen, type Target } from '../../viewer'
import { WebTrouble } from '../../viewer/dicom/web'
import { ViewerFrame } from '../../viewer/first/frame'
import { ReadingPanel } from '../reading/panel'
import { Priors } from './priors'
import { studyOptions } from './study'

performance.mark('hv-code')

/** Have the engine and its decoders at hand before a study is opened. */
export async function prepare(): Promise<void> {
  await startEngine()
  performance.mark('hv-prepared')
}

function targetOf({ location, explanation }: Finding): Target {
  return {
    seriesUid: location.series_uid,
    sopUid: location.sop_instance_uid,
    frame: location.frame_number ?? null,
    position: location.position_lps_mm ?? null,
    segment: explanation.overlay?.segment ?? null,
  }
}

function useTarget(): Target | undefined {
  const [search] = useSearchParams()
  const result = search.get('result') ?? ''
  const finding = search.get('finding') ?? ''
  const asked = useQuery({
    queryKey: ['viewer-result', result],
    queryFn: async () => (await getResult({ path: { result_id: result }, throwOnError: true })).data,
    enabled: result !== '',
  })
  return useMemo(() => {
    const all = asked.data?.result.findings ?? []
    const chosen = finding ? all.find((f) => f.tracking_uid === finding || f.tracking_id === finding) : all[0]
    if (!chosen) return undefined
    return targetOf(chosen)
  }, [asked.data, finding])
}

/** 'Mei Li' as 'Li^Mei'; names without a space stay (PS3.5 6.2.1). */
function dicomName(name: string): string {
  const parts = name.replaceAll(/[\\^=]/g, ' ').trim().split(/\s+/)
  const family = parts.pop() ?? ''
  return [family, parts.join(' ')].filter(Boolean).join('^').slice(0, 64)
}

function problemOf(error: unknown): unknown {
  if (!(error instanceof WebTrouble)) return error
  return { type: 'urn:healthvision:problem:dicomweb', title: '', detail: '', status: error.status }
}

export default function Screen() {
  const { t } = useTranslation('viewer')
  const { study: named = '' } = useParams()
  const [search] = useSearchParams()
  const { me, can } = useSession()
  const space = search.get('space') ?? 'default'
  const target = useTarget()
  const begin = { ...(search.get('result') ? { result: search.get('result') ?? '' } : {}), ...(search.get('finding') ? { finding: search.get('finding') ?? '' } : {}) }
  const found = useQuery(studyOptions(named, space))
  const study = found.data
  const priorId = search.get('prior') ?? ''
  const prior = useQuery({ ...studyOptions(priorId, space), enabled: priorId !== '' }).data
  const beside = useMemo<StudyToOpen | undefined>(
    () => (prior ? { place: { space, studyUid: prior.study_uid }, date: prior.study_date, description: prior.description } : undefined),
    [prior, space],
  )
  const opened = useMemo<StudyToOpen | undefined>(
    () => (study ? { place: { space, studyUid: study.study_uid }, date: study.study_date, description: study.description } : undefined),
    [study, space],
  )
  if (found.isError) return <div className="hv-page"><Trouble error={found.error} retry={() => void found.refetch()} /></div>
  if (found.isPending) return <ViewerFrame />
  if (!study || !opened) {
    const gone = { type: 'urn:healthvision:problem:not-found', title: '', detail: '', status: 404 }
    return <div className="hv-page"><Trouble error={gone} /></div>
  }
  return (
    <Viewer
      key={study.study_uid}
      study={opened}
      reader={dicomName(me.user?.name ?? me.id)}
      owner={me.id}
      target={target}
      beside={beside}
      panel={can('results:read') ? <ReadingPanel study={study.id} {...begin} onFinding={(f) => { jumpTo(targetOf(f)) }} /> : undefined}
      panelTitle={t('tab.result')}
      priors={<Priors study={study} space={space} />}
      trouble={(error, retry) => <Trouble error={problemOf(error)} {...(codeOf(error) === 'not-found' ? {} : { retry })} />}
    />
  )
}
