// SPDX-License-Identifier: Apache-2.0
// The viewer as one component: strip, tools, pictures, side panel.
import { useEffect, useState, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { listenToKeys } from './actions'
import { endEngine, startEngine } from './engine'
import { WaitingTile } from './first/picture'
import { firstSettled } from './first/state'
import { jumpTo } from './jumping'
import { forgetImages } from './loading'
import { forgetDrawn } from './measure/drawn'
import type { Report } from './measure/reading'
import { bringBackMore, watchMeasured } from './measure/saving'
import { openPrior, openStudy, type StudyToOpen } from './opening'
import { forgetSegmentations } from './overlays/show'
import { GRID, useViewer, view, type Target } from './store'
import { endTools } from './toolset'
import { AskWords, KeyHelp } from './ui/dialogs'
import { Reformats } from './ui/reformat'
import { Side } from './ui/side'
import { StackTile } from './ui/stack'
import { Strip } from './ui/strip'
import { Toolbar } from './ui/toolbar'
import './viewer.css'

interface Props {
  study: StudyToOpen
  reader: string // DICOM person name of who measures; with the owner's account
  owner: string // whose likings these are
  target: Target | undefined
  beside?: StudyToOpen | undefined // an earlier study to compare with
  panel?: ReactNode
  panelTitle: string
  priors: ReactNode
  trouble: (error: unknown, retry: () => void) => ReactNode
}

function Grid() {
  const layout = useViewer((s) => s.layout)
  const many = GRID[layout]
  if (layout === 'mpr' || layout === 'mip' || layout === '3d') {
    return (
      <div className={`hv-grid hv-grid-${layout}`}>
        <Reformats key={layout} layout={layout} />
      </div>
    )
  }
  return (
    <div className={`hv-grid hv-grid-${layout}`}>
      {Array.from({ length: many }, (_, i) => (
        <StackTile key={i} slot={i} />
      ))}
    </div>
  )
}

function Notice() {
  const { t } = useTranslation('viewer')
  const notice = useViewer((s) => s.notice)
  useEffect(() => {
    if (!notice) return
    const timer = window.setTimeout(() => {
      view.set({ notice: undefined })
    }, 7000)
    return () => {
      window.clearTimeout(timer)
    }
  }, [notice])
  if (!notice) return null
  return (
    <div className="hv-notice" role="status" data-notice={notice.key}>
      {t(notice.key, notice.values ?? {})}
    </div>
  )
}

function useLife({ study, reader, owner, target, beside }: Props) {
  const [reports, setReports] = useState<Report[]>([])
  const [error, setError] = useState<unknown>()
  const [running, setRunning] = useState(false)
  const [round, setRound] = useState(0)
  const [opened, setOpened] = useState('')
  const { space, studyUid } = study.place
  const loaded = useViewer((s) => s.loaded)

  useEffect(() => {
    let here = true
    performance.mark('hv-open')
    view.reset('1x1')
    if (target) view.set({ target: { ...target, asked: Date.now() } })
    const unwatch = watchMeasured({ kind: 'person', account: owner, name: reader })
    const engine = firstSettled()
      .then(startEngine)
      .then(() => {
        if (here) setRunning(true)
      })
    openStudy(study, engine).then(
      (found) => {
        if (!here) return
        setReports(found)
        setOpened(studyUid)
      },
      (problem: unknown) => {
        if (here) setError(problem)
      },
    )
    return () => {
      here = false
      unwatch()
      setRunning(false)
      setOpened('')
      forgetSegmentations()
      forgetDrawn()
      forgetImages()
      endTools()
      endEngine()
      view.reset('1x1')
    }
    // a new target alone must not open the study again
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [space, studyUid, owner, reader, round])

  const goal = JSON.stringify(target)
  useEffect(() => {
    if (running && goal) jumpTo(JSON.parse(goal) as Target)
  }, [goal, running])
  const earlier = JSON.stringify(beside)
  useEffect(() => {
    if (opened !== studyUid || !earlier) return
    openPrior(JSON.parse(earlier) as StudyToOpen).catch(() => {
      view.say('prior.failed')
    })
  }, [earlier, opened, studyUid])
  useEffect(bringBackMore, [loaded])
  return { reports, error, running, retry: () => {
    setError(undefined)
    setReports([])
    setRound((r) => r + 1)
  } }
}

export function Viewer(props: Props) {
  const { t } = useTranslation('viewer')
  const { reports, error, running, retry } = useLife(props)
  const [help, setHelp] = useState(false)
  const unsaved = useViewer((s) => s.unsaved)
  useEffect(() => listenToKeys(() => { setHelp(true) }), [])
  useEffect(() => {
    if (!unsaved) return
    const hold = (event: BeforeUnloadEvent) => {
      event.preventDefault()
    }
    window.addEventListener('beforeunload', hold)
    return () => {
      window.removeEventListener('beforeunload', hold)
    }
  }, [unsaved])
  if (error !== undefined) return <div className="hv-page">{props.trouble(error, retry)}</div>
  return (
    <div className="hv-viewer" aria-label={t('title')} role="region">
      <Strip />
      <div className="hv-middle">
        <Toolbar
          help={() => {
            setHelp(true)
          }}
        />
        {running ? <Grid /> : <div className="hv-grid"><WaitingTile /></div>}
        <Notice />
        <AskWords />
        {help && (
          <KeyHelp
            close={() => {
              setHelp(false)
            }}
          />
        )}
      </div>
      <Side reports={reports} panel={props.panel} panelTitle={props.panelTitle} priors={props.priors} />
    </div>
  )
}
