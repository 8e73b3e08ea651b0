// SPDX-License-Identifier: Apache-2.0
// Rejection notes of scanners that were held: a person follows each (its images go out of sight) or declines it.
import { Alert, Button, Form, Input, Modal, Select, Space } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { rejectStudy, undoCorrection, type HeldNoteRead } from '../../api/generated'
import { listRejectionNotesOptions } from '../../api/generated/@tanstack/react-query.gen'
import { Account } from '../../components/account'
import { PagedTable } from '../../components/paged-table'
import { dicomMoment, moment, personName } from '../../components/text'
import { useAct } from './acting'
import { useInAddress } from './in-address'

const STATES = ['waiting', 'decided'] as const
const MOST_LETTERS = 500
type Way = 'follow' | 'decline'

/** 'device:CT1' or 'user:<id>': who sent the note, or decided about it. */
function By({ account }: { account: string }) {
  const { t } = useTranslation('admin')
  const [kind = '', id = ''] = account.split(/:(.*)/s)
  return (
    <>
      {t(`audit.actors.${kind}`, { defaultValue: kind })} <Account person={kind === 'user' ? id : null} other={id} />
    </>
  )
}

function Decide({ note, way, close }: { note: HeldNoteRead; way: Way; close: () => void }) {
  const { t } = useTranslation('admin')
  const [form] = Form.useForm<{ reason: string }>()
  const study = { study_id: note.study.id }
  const follow = useAct(
    (reason: string) => rejectStudy({ path: study, body: { code: note.code, note: note.note, reason }, throwOnError: true }),
    close,
  )
  const decline = useAct((reason: string) => undoCorrection({ path: { correction_id: note.id }, body: { reason }, throwOnError: true }), close)
  const act = way === 'follow' ? follow : decline
  return (
    <Modal
      open
      title={t(`notes.${way}`)}
      okText={t(`notes.${way}`)}
      onOk={() => form.submit()}
      onCancel={close}
      confirmLoading={act.isPending}
    >
      <Alert type={way === 'follow' ? 'warning' : 'info'} title={t(`notes.${way}What`, { count: note.named })} />
      <Form form={form} layout="vertical" className="hv-note-why" onFinish={({ reason }) => act.mutate(reason.trim())}>
        <Form.Item name="reason" label={t('notes.reason')} rules={[{ required: true, whitespace: true, message: t('needed') }]}>
          <Input.TextArea autoFocus rows={3} maxLength={MOST_LETTERS} showCount />
        </Form.Item>
      </Form>
    </Modal>
  )
}

function Acts({ note }: { note: HeldNoteRead }) {
  const { t } = useTranslation('admin')
  const [way, setWay] = useState<Way>()
  return (
    <Space>
      <Button size="small" danger onClick={() => setWay('follow')}>
        {t('notes.follow')}
      </Button>
      <Button size="small" onClick={() => setWay('decline')}>
        {t('notes.decline')}
      </Button>
      {way && <Decide note={note} way={way} close={() => setWay(undefined)} />}
    </Space>
  )
}

function Decision({ note }: { note: HeldNoteRead }) {
  const { t } = useTranslation('admin')
  return (
    <>
      {t(`notes.state.${note.state}`)} · <span className="hv-num">{moment(note.decided_at)}</span>
      {note.decided_by && (
        <>
          {' · '}
          <By account={note.decided_by} />
        </>
      )}
      <div className="hv-dim hv-data">{note.decided_reason}</div>
    </>
  )
}

function StudyLink({ note: { study } }: { note: HeldNoteRead }) {
  const { i18n } = useTranslation()
  const when = dicomMoment(study.study_date, study.study_time)
  const what = [when, study.modalities.join(' '), study.description].filter(Boolean).join(' · ')
  const who = [personName(study.patient_name, i18n.language !== 'en'), study.patient_id].filter(Boolean).join(' · ')
  return (
    <>
      <Link className="hv-data" to={`/viewer/${study.id}`} state={{ studyUid: study.study_uid }}>
        {who || study.study_uid}
      </Link>
      <div className="hv-dim hv-data">{what}</div>
    </>
  )
}

export function Notes() {
  const { t } = useTranslation('admin')
  const [chosen, setState] = useInAddress('state', STATES)
  const state = chosen ?? 'waiting'
  const decided = state === 'decided'
  return (
    <>
      <Alert type="info" title={t('notes.what')} />
      <Select<(typeof STATES)[number]>
        className="hv-first-button"
        value={state}
        aria-label={t('state')}
        options={STATES.map((value) => ({ value, label: t(`notes.${value}`) }))}
        onChange={setState}
        popupMatchSelectWidth={false}
      />
      <PagedTable<HeldNoteRead>
        key={state} // of the other state nothing stays while this one is asked for
        options={(cursor) => listRejectionNotesOptions({ query: { decided, cursor, limit: 50 } })}
        of={state}
        rowKey="id"
        empty={t(decided ? 'notes.noneDecided' : 'notes.none')}
        columns={[
          { title: t('at'), dataIndex: 'created_at', render: (at: string) => <span className="hv-num">{moment(at)}</span> },
          { title: t('notes.study'), key: 'study', render: (_, note) => <StudyLink note={note} /> },
          { title: t('notes.why'), dataIndex: 'code', render: (code: string) => t(`notes.code.${code}`) },
          { title: t('notes.images'), key: 'images', render: (_, note) => (note.elsewhere ? t('notes.elsewhere', { named: note.named, count: note.elsewhere }) : note.named) },
          { title: t('notes.from'), dataIndex: 'made_by', render: (account: string) => <By account={account} /> },
          decided
            ? { title: t('state'), key: 'state', render: (_, note) => <Decision note={note} /> }
            : { title: t('act'), key: 'act', render: (_, note) => <Acts note={note} /> },
        ]}
      />
    </>
  )
}
