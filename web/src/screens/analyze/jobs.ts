// SPDX-License-Identifier: Apache-2.0
// What was dropped here and how far it is; it goes on while other screens are open.
import { create } from 'zustand'
import { closeStudy, createTask, listTasks } from '../../api/generated'
import { isUpload, type Outcome, sendLoose, sendUpload, type Watch } from './transfer'

export type Phase = 'sending' | 'interrupted' | 'stored' | 'failed' | 'cancelled'

export interface Job {
  id: string
  name: string
  size: number
  files: File[]
  application: string // '' : by content
  phase: Phase
  progress: number // 0 to 1 of the bytes
  upload?: string
  outcome?: Outcome
  error?: unknown
  notes: Record<string, unknown> // study -> why no task could be made
}

interface Jobs {
  jobs: Job[]
}

const KEPT = 'hv-uploads' // name, size and id of interrupted uploads
const RULE_MS = 12_000 // time for a rule of the space to start an application by itself
const cancels = new Map<string, AbortController>()
let number = 0

export const useJobs = create<Jobs>(() => ({ jobs: [] }))

function change(id: string, what: Partial<Job>): void {
  useJobs.setState(({ jobs }) => ({ jobs: jobs.map((j) => (j.id === id ? { ...j, ...what } : j)) }))
}

function kept(): Record<string, string> {
  try {
    return JSON.parse(localStorage.getItem(KEPT) ?? '{}') as Record<string, string>
  } catch {
    return {}
  }
}

/** Ids of the uploads that were begun in this browser and have not come to their end. */
export function begun(): Set<string> {
  return new Set(Object.values(kept()))
}

/** Tell whether a file is the one whose upload was begun here. */
export function isOf(file: File, upload: string): boolean {
  return kept()[keyOf(file)] === upload
}

/** Offer an upload no more; the server forgets it by itself. */
export function dismiss(upload: string): void {
  const others = Object.entries(kept()).filter(([, id]) => id !== upload)
  localStorage.setItem(KEPT, JSON.stringify(Object.fromEntries(others)))
}

function keyOf(file: File): string {
  return `${file.name}|${file.size}|${file.lastModified}`
}

function keep(file: File | undefined, upload: string | undefined): void {
  if (!file) return
  const others = Object.entries(kept()).filter(([key]) => key !== keyOf(file))
  const now = upload ? [...others, [keyOf(file), upload]] : others
  localStorage.setItem(KEPT, JSON.stringify(Object.fromEntries(now)))
}

async function send(job: Job, watch: Watch): Promise<Outcome> {
  const [file] = job.files
  if (job.files.length !== 1 || !file || !isUpload(file)) return sendLoose(job.files, watch)
  const before = job.upload ?? kept()[keyOf(file)]
  try {
    return await sendUpload(file, watch, before)
  } catch (error) {
    const gone = before !== undefined && [404, 410].includes((error as { status?: number }).status ?? 0)
    if (!gone) throw error
    keep(file, undefined)
    return sendUpload(file, watch)
  }
}

async function run(id: string): Promise<void> {
  const job = useJobs.getState().jobs.find((j) => j.id === id)
  if (!job) return
  const control = new AbortController()
  cancels.set(id, control)
  change(id, { phase: 'sending', error: undefined })
  const watch: Watch = {
    signal: control.signal,
    progress: (progress) => {
      change(id, { progress })
    },
    upload: (upload) => {
      change(id, { upload })
      keep(job.files[0], upload)
    },
  }
  try {
    const outcome = await send(job, watch)
    keep(job.files[0], undefined)
    change(id, { phase: outcome.studies.length > 0 ? 'stored' : 'failed', progress: 1, outcome })
    await Promise.all(outcome.studies.map((study) => analyse(id, study, job.application)))
  } catch (error) {
    const cancelled = error instanceof DOMException && error.name === 'AbortError'
    change(id, { phase: cancelled ? 'cancelled' : 'interrupted', error })
  } finally {
    cancels.delete(id)
  }
}

/** Say that the study is complete, then see that a task runs: the wished one, or the rule's. */
async function analyse(id: string, study: string, application: string): Promise<void> {
  try {
    await closeStudy({ path: { study_id: study }, body: {}, throwOnError: true }).catch(() => undefined)
    if (!application) {
      await new Promise((resolve) => window.setTimeout(resolve, RULE_MS))
      const { data } = await listTasks({ query: { study, limit: 1 }, throwOnError: true })
      if (data.items.length > 0) return
    }
    await createTask({ body: { study_id: study, application: application || null }, throwOnError: true })
  } catch (error) {
    const notes = useJobs.getState().jobs.find((j) => j.id === id)?.notes
    change(id, { notes: { ...notes, [study]: error } })
  }
}

function add(name: string, files: File[], application: string): void {
  const job: Job = {
    id: `job-${(number += 1)}`,
    name,
    size: files.reduce((sum, f) => sum + f.size, 0),
    files,
    application,
    phase: 'sending',
    progress: 0,
    notes: {},
  }
  useJobs.setState(({ jobs }) => ({ jobs: [job, ...jobs] }))
  void run(job.id)
}

/** Begin to send files: archives and pictures one by one, all loose DICOM files together. */
export function bring(files: readonly File[], application: string, looseName: (count: number) => string): void {
  const loose = files.filter((f) => !isUpload(f))
  for (const file of files.filter(isUpload)) add(file.name, [file], application)
  if (loose.length > 0) add(loose.length === 1 ? (loose[0]?.name ?? '') : looseName(loose.length), loose, application)
}

export function cancel(id: string): void {
  cancels.get(id)?.abort()
}

export function resume(id: string): void {
  void run(id)
}

export function forget(id: string): void {
  useJobs.setState(({ jobs }) => ({ jobs: jobs.filter((j) => j.id !== id) }))
}
