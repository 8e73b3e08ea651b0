# SPDX-License-Identifier: Apache-2.0
"""Acts of the log about studies in words, for people who read 'who saw this study'."""

from healthvision.clinical.result import Text


def _t(zh: str, en: str) -> Text:
    return Text(zh=zh, en=en)


ACTS: dict[str, Text] = {
    "archive.study_read": _t("查看检查", "looked at the study"),
    "archive.metadata_read": _t("读取影像信息", "read what the images say"),
    "archive.pixels_read": _t("查看影像", "looked at images"),
    "archive.pixels_sent": _t("发送影像", "sent images"),
    "archive.original_read": _t("取得原始文件", "took the original file"),
    "archive.history_read": _t("查看更正记录", "read the corrections"),
    "archive.correction_read": _t("查看一条更正", "read a correction"),
    "archive.study_exported": _t("导出检查", "exported the study"),
    "archive.study_added": _t("加入空间", "put the study into a space"),
    "archive.study_removed": _t("移出空间", "took the study out of a space"),
    "archive.study_changed": _t("更改保留设置", "changed how long it is kept"),
    "archive.study_closed": _t("宣布检查已完整", "said that the study is complete"),
    "archive.study_deleted": _t("删除检查", "deleted the study"),
    "archive.study_purged": _t("彻底清除检查", "purged the study"),
    "archive.instances_stored": _t("存入影像", "stored images"),
    "archive.instances_deleted": _t("删除影像", "deleted images"),
    "archive.instances_purged": _t("彻底清除影像", "purged images"),
    "archive.correction_made": _t("更正资料", "corrected the data"),
    "archive.correction_undone": _t("撤销更正", "took a correction back"),
    "archive.damage_found": _t("发现影像损坏", "found damage"),
    "analysis.task_created": _t("提交分析", "asked for an analysis"),
    "analysis.task_read": _t("查看分析进度", "looked at an analysis"),
    "analysis.task_cancelled": _t("取消分析", "cancelled an analysis"),
    "analysis.task_failed": _t("分析失败", "saw an analysis fail"),
    "analysis.task_preempted": _t("分析让位于更急者", "let a more urgent analysis go first"),
    "analysis.task_priority_changed": _t("更改分析优先级", "changed an analysis's priority"),
    "analysis.task_retried": _t("重试分析", "tried an analysis again"),
    "analysis.images_read": _t("为分析读取影像", "read images for an analysis"),
    "analysis.result_stored": _t("保存AI结果", "kept an AI result"),
    "analysis.result_read": _t("查看AI结果", "read an AI result"),
    "analysis.key_image_read": _t("查看关键影像", "looked at a key image"),
    "analysis.result_exported": _t("导出AI结果", "exported an AI result"),
    "analysis.result_verified": _t("确认AI结果", "judged an AI result"),
    "reading.verdict_given": _t("对AI结果作出判断", "judged a finding"),
    "reading.verdict_withdrawn": _t("撤回判断", "took a judgement back"),
    "reading.verdicts_read": _t("查看医生判断", "read the judgements"),
    "reading.prefill_read": _t("取得报告草稿文字", "took text for a report"),
    "reading.report_created": _t("新建报告", "began a report"),
    "reading.report_saved": _t("保存报告", "saved a report"),
    "reading.report_read": _t("查看报告", "read a report"),
    "reading.report_submitted": _t("提交报告", "submitted a report"),
    "reading.report_returned": _t("退回报告", "sent a report back"),
    "reading.report_recalled": _t("撤回报告", "recalled a report"),
    "reading.report_taken_over": _t("接手报告", "took a report over"),
    "reading.report_signed": _t("签发报告", "signed a report"),
    "reading.report_amended": _t("修订报告", "amended a report"),
    "reading.report_discarded": _t("放弃报告草稿", "discarded a draft"),
    "reading.report_printed": _t("打印报告", "printed a report"),
    "reading.report_exported": _t("导出报告", "exported a report"),
    "reading.addendum_signed": _t("签发补充报告", "signed an addendum"),
}


def act(action: str) -> Text:
    """Return an act in words; one that has none here keeps its code.

    '..._total' closes a run of reads and says how many there were; it is the same act.
    """
    known = ACTS.get(action.removesuffix("_total"))
    return known or Text(zh=action, en=action)
