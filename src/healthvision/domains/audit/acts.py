# SPDX-License-Identifier: Apache-2.0
"""Acts of the log in words, for people who read it: 'who did what'.

An English text goes on after a name ('Li Na looked at the study'). A test finds every act that the
code records and asks for its words here.
"""

from healthvision.clinical.result import Text
from healthvision.domains.audit.schemas import ActionRead
from healthvision.domains.audit.writer import TOTAL


def _t(zh: str, en: str) -> Text:
    return Text(zh=zh, en=en)


# The first part of an act's code: the room it happened in.
AREAS: dict[str, Text] = {
    "access": _t("越权与无效访问", "Refused access"),
    "analysis": _t("分析", "Analysis"),
    "archive": _t("影像存档", "Archive"),
    "audit": _t("审计", "Audit"),
    "identity": _t("用户与登录", "People and sign-in"),
    "integration": _t("对外连接", "Other systems"),
    "modelhub": _t("模型", "Models"),
    "notify": _t("通知", "Notices"),
    "patients": _t("患者", "Patients"),
    "reading": _t("阅片与报告", "Reading and reports"),
    "spaces": _t("数据空间", "Spaces"),
}

ACTS: dict[str, Text] = {
    "access.foreign_tenant": _t(
        "试图访问其他机构的内容", "tried to reach another organisation's things"
    ),
    "access.not_found": _t("访问不存在的内容", "asked for something that is not there"),
    "access.refused": _t("无权访问，被拒绝", "was refused for want of a right"),
    "analysis.batch_created": _t("提交批量任务", "asked for a batch of analyses"),
    "analysis.batch_read": _t("查看批量任务", "looked at a batch"),
    "analysis.batches_listed": _t("查看批量任务列表", "listed batches"),
    "analysis.images_read": _t("为分析读取影像", "read images for an analysis"),
    "analysis.inference": _t("使用远程推理引擎", "let a remote engine compute"),
    "analysis.key_image_read": _t("查看关键影像", "looked at a key image"),
    "analysis.result_exported": _t("导出AI结果", "exported an AI result"),
    "analysis.result_read": _t("查看AI结果", "read an AI result"),
    "analysis.result_stored": _t("保存AI结果", "kept an AI result"),
    "analysis.result_verified": _t("确认AI结果", "judged an AI result"),
    "analysis.results_listed": _t("查看AI结果列表", "listed AI results"),
    "analysis.rule_changed": _t("更改自动路由规则", "changed a routing rule"),
    "analysis.rule_created": _t("新建自动路由规则", "made a routing rule"),
    "analysis.rule_removed": _t("删除自动路由规则", "removed a routing rule"),
    "analysis.rule_tried": _t("试运行自动路由规则", "tried a routing rule out"),
    "analysis.task_cancelled": _t("取消分析", "cancelled an analysis"),
    "analysis.task_created": _t("提交分析", "asked for an analysis"),
    "analysis.task_failed": _t("分析失败", "saw an analysis fail"),
    "analysis.task_preempted": _t("分析让位于更急者", "let a more urgent analysis go first"),
    "analysis.task_priority_changed": _t("更改分析优先级", "changed an analysis's priority"),
    "analysis.task_read": _t("查看分析进度", "looked at an analysis"),
    "analysis.task_retried": _t("重试分析", "tried an analysis again"),
    "analysis.tasks_listed": _t("查看分析任务列表", "listed analyses"),
    "archive.answer_replayed": _t(
        "再次取得同一请求的回复", "got the answer to an earlier call again"
    ),
    "archive.correction_made": _t("更正资料", "corrected the data"),
    "archive.correction_read": _t("查看一条更正", "read a correction"),
    "archive.correction_undone": _t("撤销更正", "took a correction back"),
    "archive.damage_found": _t("发现影像损坏", "found damage"),
    "archive.history_read": _t("查看更正记录", "read the corrections"),
    "archive.instances_deleted": _t("删除影像", "deleted images"),
    "archive.instances_purged": _t("彻底清除影像", "purged images"),
    "archive.instances_stored": _t("存入影像", "stored images"),
    "archive.metadata_read": _t("读取影像信息", "read what the images say"),
    "archive.object_quarantined": _t("影像被隔离", "had an object put into quarantine"),
    "archive.original_read": _t("取得原始文件", "took the original file"),
    "archive.pixels_read": _t("查看影像", "looked at images"),
    "archive.pixels_sent": _t("发送影像", "sent images"),
    "archive.quarantine_deleted": _t("彻底删除隔离对象", "deleted an object in quarantine"),
    "archive.quarantine_downloaded": _t("下载隔离对象", "downloaded an object in quarantine"),
    "archive.quarantine_listed": _t("查看隔离区", "listed the quarantine"),
    "archive.quarantine_read": _t("查看隔离对象", "looked at an object in quarantine"),
    "archive.quarantine_released": _t("隔离对象重新入库", "took an object out of quarantine"),
    "archive.rejection_notes_listed": _t("查看影像作废通知", "listed rejection notes"),
    "archive.searched": _t("检索影像", "searched the archive"),
    "archive.sent_to_ae": _t("发送影像到其他设备", "sent images to another AE"),
    "archive.studies_listed": _t("查看检查列表", "listed studies"),
    "archive.study_added": _t("加入空间", "put the study into a space"),
    "archive.study_changed": _t("更改保留设置", "changed how long it is kept"),
    "archive.study_closed": _t("宣布检查已完整", "said that the study is complete"),
    "archive.study_deleted": _t("删除检查", "deleted the study"),
    "archive.study_exported": _t("导出检查", "exported the study"),
    "archive.study_purged": _t("彻底清除检查", "purged the study"),
    "archive.study_read": _t("查看检查", "looked at the study"),
    "archive.study_removed": _t("移出空间", "took the study out of a space"),
    "archive.upload_created": _t("准备上传", "announced an upload"),
    "archive.upload_read": _t("查看上传", "looked at an upload"),
    "archive.upload_taken_in": _t("上传入库", "took an upload in"),
    "archive.uploads_listed": _t("查看上传列表", "listed uploads"),
    "audit.access_log_read": _t("查看访问日志", "read the access log"),
    "audit.compliance_report_made": _t("生成合规报告", "made a compliance report"),
    "audit.events_read": _t("查看审计", "read the audit log"),
    "audit.log_exported": _t("导出审计", "exported the audit log"),
    "audit.log_verified": _t("验证审计完整性", "verified the audit log"),
    "audit.operation_log_read": _t("查看操作日志", "read the operation log"),
    "audit.proof_read": _t("取得审计记录的证明", "took the proof of an event"),
    "audit.security_events_read": _t("查看安全事件", "read the security events"),
    "audit.viewers_read": _t("查询谁查看过", "asked who saw something"),
    "identity.account_locked": _t(
        "登录失败次数过多，账号被锁定", "failed to sign in and was locked out"
    ),
    "identity.api_key_created": _t("新建API密钥", "made an API key"),
    "identity.api_key_revoked": _t("吊销API密钥", "revoked an API key"),
    "identity.client_changed": _t("更改接入程序", "changed a client program"),
    "identity.client_created": _t("登记接入程序", "registered a client program"),
    "identity.client_secret_rotated": _t("更换接入程序密钥", "gave a client program a new secret"),
    "identity.device_allowed": _t("允许设备登录", "let a device sign in"),
    "identity.device_denied": _t("拒绝设备登录", "did not let a device sign in"),
    "identity.invite_accepted": _t("接受邀请", "accepted an invitation"),
    "identity.organisation_changed": _t("更改组织机构", "changed the organisation"),
    "identity.organisation_created": _t("新建组织机构", "made an organisation"),
    "identity.organisation_switched": _t("切换组织机构", "switched the organisation"),
    "identity.password_changed": _t("修改密码", "changed the password"),
    "identity.password_reset": _t("重置了密码", "set a new password after a reset"),
    "identity.password_reset_started": _t("发起密码重置", "began a password reset"),
    "identity.refresh_token_reused": _t("重复使用已失效的令牌", "used an old refresh token again"),
    "identity.role_changed": _t("更改角色", "changed a role"),
    "identity.role_created": _t("新建角色", "made a role"),
    "identity.role_deleted": _t("删除角色", "deleted a role"),
    "identity.sign_in": _t("登录失败", "failed to sign in"),
    "identity.sign_in_while_locked": _t(
        "账号锁定期间尝试登录", "tried to sign in while locked out"
    ),
    "identity.signed_in": _t("登录", "signed in"),
    "identity.signed_out": _t("退出登录", "signed out"),
    "identity.signing_key_rotated": _t("更换签名密钥", "replaced the signing key"),
    "identity.team_changed": _t("更改团队", "changed a team"),
    "identity.team_created": _t("新建团队", "made a team"),
    "identity.team_deleted": _t("删除团队", "deleted a team"),
    "identity.team_joined": _t("加入团队", "put somebody into a team"),
    "identity.team_left": _t("退出团队", "took somebody out of a team"),
    "identity.token_issued": _t("取得访问令牌", "got an access token"),
    "identity.token_refused": _t("访问令牌申请被拒绝", "was refused an access token"),
    "identity.token_revoked": _t("吊销访问令牌", "revoked an access token"),
    "identity.user_changed": _t("更改用户", "changed a user"),
    "identity.user_created": _t("新建用户", "made a user"),
    "identity.user_disabled": _t("停用用户", "disabled a user"),
    "identity.user_enabled": _t("启用用户", "enabled a user"),
    "identity.user_invited": _t("邀请用户", "invited a user"),
    "integration.commitment_asked": _t("请求存储确认", "asked for a storage commitment"),
    "integration.commitment_reported": _t("收到存储确认结果", "reported on a storage commitment"),
    "integration.commitment_told": _t("发出存储确认结果", "was told of a storage commitment"),
    "integration.destination_changed": _t("更改发送目标", "changed a destination"),
    "integration.destination_created": _t("新建发送目标", "made a destination"),
    "integration.destination_removed": _t("删除发送目标", "removed a destination"),
    "integration.destination_tested": _t("测试发送目标", "tested a destination"),
    "integration.performed_step_begun": _t("开始检查步骤", "began a step at the scanner"),
    "integration.performed_step_changed": _t("更新检查步骤", "changed a step at the scanner"),
    "integration.push_requested": _t("请求发送", "asked to send a study"),
    "integration.push_retried": _t("重新发送", "tried to send again"),
    "integration.workitem_cancel_requested": _t("请求取消工作项", "asked to cancel a work item"),
    "integration.workitem_created": _t("新建工作项", "made a work item"),
    "integration.workitem_read": _t("查看工作项", "looked at a work item"),
    "integration.workitem_state": _t("更改工作项状态", "changed the state of a work item"),
    "integration.workitem_updated": _t("更新工作项", "changed a work item"),
    "integration.workitems_searched": _t("检索工作项", "searched work items"),
    "integration.worklist_entry_cancelled": _t("取消预约检查", "cancelled a scheduled study"),
    "integration.worklist_entry_completed": _t("预约检查已完成", "completed a scheduled study"),
    "integration.worklist_entry_discontinued": _t("预约检查中止", "discontinued a scheduled study"),
    "integration.worklist_entry_in_progress": _t("预约检查进行中", "began a scheduled study"),
    "integration.worklist_entry_read": _t("查看预约检查", "looked at a scheduled study"),
    "integration.worklist_entry_scheduled": _t("预约检查", "scheduled a study"),
    "integration.worklist_listed": _t("查看预约列表", "listed scheduled studies"),
    "integration.worklist_searched": _t("设备查询预约列表", "searched scheduled studies"),
    "integration.worklist_subscribed": _t("订阅工作项", "subscribed to work items"),
    "integration.worklist_suspended": _t(
        "暂停订阅工作项", "suspended a subscription to work items"
    ),
    "integration.worklist_unsubscribed": _t("取消订阅工作项", "ended a subscription to work items"),
    "modelhub.model_added": _t("加入模型", "added a model"),
    "modelhub.model_announced": _t("准备上传模型", "announced a model"),
    "modelhub.model_changed": _t("更改模型设置", "changed the settings of a model"),
    "modelhub.model_received": _t("上传模型包", "sent the package of a model"),
    "modelhub.model_refused": _t("模型未通过检查", "had a model refused"),
    "modelhub.model_retired": _t("停用模型", "took a model out of use"),
    "notify.redelivered": _t("重新投递通知", "delivered a notice again"),
    "notify.secret_rotated": _t("更换通知签名密钥", "replaced the secret of a webhook"),
    "notify.subscription_changed": _t("更改通知订阅", "changed a subscription"),
    "notify.subscription_created": _t("新建通知订阅", "made a subscription"),
    "notify.subscription_removed": _t("删除通知订阅", "removed a subscription"),
    "patients.conflicts_listed": _t("查看资料冲突", "listed conflicting data"),
    "patients.patient_read": _t("查看患者", "looked at a patient"),
    "patients.patients_listed": _t("查看患者列表", "listed patients"),
    "reading.addendum_signed": _t("签发补充报告", "signed an addendum"),
    "reading.prefill_read": _t("取得报告草稿文字", "took text for a report"),
    "reading.report_amended": _t("修订报告", "amended a report"),
    "reading.report_created": _t("新建报告", "began a report"),
    "reading.report_discarded": _t("放弃报告草稿", "discarded a draft"),
    "reading.report_exported": _t("导出报告", "exported a report"),
    "reading.report_printed": _t("打印报告", "printed a report"),
    "reading.report_read": _t("查看报告", "read a report"),
    "reading.report_recalled": _t("撤回报告", "recalled a report"),
    "reading.report_returned": _t("退回报告", "sent a report back"),
    "reading.report_saved": _t("保存报告", "saved a report"),
    "reading.report_signed": _t("签发报告", "signed a report"),
    "reading.report_submitted": _t("提交报告", "submitted a report"),
    "reading.report_taken_over": _t("接手报告", "took a report over"),
    "reading.reports_listed": _t("查看报告列表", "listed reports"),
    "reading.verdict_given": _t("对AI结果作出判断", "judged a finding"),
    "reading.verdict_withdrawn": _t("撤回判断", "took a judgement back"),
    "reading.verdicts_listed": _t("查看医生判定列表", "listed verdicts"),
    "reading.verdicts_read": _t("查看医生判断", "read the judgements"),
    "reading.worklist_read": _t("查看影像列表", "read the worklist"),
    "reading.worklist_watched": _t("持续查看影像列表", "watched the worklist"),
    "spaces.called_ae_added": _t("添加本机AE", "added an AE title of a space"),
    "spaces.called_ae_removed": _t("删除本机AE", "removed an AE title of a space"),
    "spaces.remote_ae_added": _t("添加外部AE", "added a known AE"),
    "spaces.remote_ae_changed": _t("更改外部AE", "changed a known AE"),
    "spaces.remote_ae_removed": _t("删除外部AE", "removed a known AE"),
    "spaces.right_granted": _t("授予数据空间权限", "gave a right on a space"),
    "spaces.right_revoked": _t("收回数据空间权限", "took a right on a space away"),
    "spaces.space_changed": _t("更改数据空间", "changed a space"),
    "spaces.space_created": _t("新建数据空间", "made a space"),
    "spaces.space_removed": _t("删除数据空间", "removed a space"),
}


def act(action: str) -> Text:
    """Return an act in words; one that has none here keeps its code.

    '..._total' closes a run of reads and says how many there were; it is the same act.
    """
    known = ACTS.get(action.removesuffix(TOTAL))
    return known or Text(zh=action, en=action)


def list_actions() -> list[ActionRead]:
    """Return all acts with their words by code, each part's own entry ('archive.*') before them."""
    parts = {f"{part}.*": words for part, words in AREAS.items()}
    return [ActionRead(action=a, words=w) for a, w in sorted((parts | ACTS).items())]
