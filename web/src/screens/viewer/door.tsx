// SPDX-License-Identifier: Apache-2.0
// The way into the viewer: its frame with the first picture at once, the viewer itself when its code is there.
import { useEffect, useState, type ComponentType } from 'react'
import { useParams } from 'react-router'
import { fetchViewer, loadViewer } from '../../app/ahead'
import { Trouble } from '../../app/errors'
import { ViewerFrame } from '../../viewer/first/frame'
import { firstSettled } from '../../viewer/first/state'

let known: ComponentType | undefined

export function ViewerDoor() {
  const { study } = useParams()
  const [Screen, setScreen] = useState(() => known)
  const [failed, setFailed] = useState<{ study?: string; error: unknown }>()
  const [round, setRound] = useState(0)
  useEffect(() => {
    if (known) return
    let here = true
    fetchViewer()
    firstSettled().then(loadViewer).then(
      (screen) => {
        known = screen.default
        if (here) setScreen(() => known)
      },
      (problem: unknown) => {
        if (here) setFailed({ study, error: problem })
      },
    )
    return () => {
      here = false
    }
  }, [round, study])
  if (Screen) return <Screen />
  if (failed?.study !== study || failed === undefined) return <ViewerFrame />
  const retry = () => {
    setFailed(undefined)
    setRound((r) => r + 1)
  }
  return <div className="hv-page"><Trouble error={failed.error} retry={retry} /></div>
}
