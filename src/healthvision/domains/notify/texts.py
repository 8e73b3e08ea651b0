# SPDX-License-Identifier: Apache-2.0
"""What people read in mails, short messages and the inbox: no patient data, zh and en."""

from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from healthvision.domains.notify.schemas import Language

TITLES: tuple[tuple[str, str, str], ...] = (
    ("analysis.result_ready.*", "AI 结果已生成（未经医生确认）", "AI result ready (unverified)"),
    ("analysis.*abstained*", "AI 不予判断", "AI abstained"),
    ("analysis.*failed*", "分析任务失败", "Analysis task failed"),
    ("analysis.*cancel*", "分析任务已取消", "Analysis task cancelled"),
    ("analysis.*", "分析任务有更新", "Analysis task updated"),
    ("archive.study_complete.*", "检查已接收完成", "Study complete"),
    ("archive.*quarantin*", "文件已隔离", "File quarantined"),
    ("archive.*", "影像归档有更新", "Archive updated"),
    ("notify.test.*", "HealthVision 测试消息", "HealthVision test message"),
    ("notify.delivery_given_up.*", "通知多次发送失败，已停止", "Delivery given up"),
    ("*", "HealthVision 系统通知", "HealthVision notice"),
)
PATHS = (
    ("analysis.result*", "/v1/results/{subject}"),
    ("analysis.task*", "/v1/tasks/{subject}"),
    ("archive.study*", "/v1/studies/{subject}"),
    ("notify.*", "/v1/subscriptions/{subject}"),
)
LABELS = {
    "application": ("应用", "Application"),
    "priority": ("优先级", "Priority"),
    "category": ("类别", "Category"),
}


def title_of(topic: str, language: Language) -> str:
    """Return the title of a message about an event of that topic."""
    zh, en = next((zh, en) for pattern, zh, en in TITLES if fnmatchcase(topic, pattern))
    return zh if language == "zh" else en


def link_of(topic: str, subject: UUID, public_url: str) -> str:
    """Return where the thing can be seen after sign-in."""
    base = public_url.rstrip("/")
    for pattern, path in PATHS:
        if fnmatchcase(topic, pattern):
            return base + path.format(subject=subject)
    return base


def text_of(data: dict[str, Any], link: str, title: str, language: Language) -> str:
    """Return the text of a message: title, the facts that may be told, link."""
    place = 0 if language == "zh" else 1
    colon = "：" if language == "zh" else ": "
    lines = [title]
    for key, label in LABELS.items():
        if isinstance(data.get(key), str):
            lines.append(f"{label[place]}{colon}{data[key]}")
    lines.append(("详情：" if language == "zh" else "Details: ") + link)
    return "\n".join(lines)
