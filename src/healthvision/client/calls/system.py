# SPDX-License-Identifier: Apache-2.0
"""Webhooks, the audit log, and what the server says about itself."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from healthvision.client.calls import answers
from healthvision.client.effects import Operation
from healthvision.client.models import AuditEvent, Model, Page, Webhook


def webhooks() -> Operation[Page[Webhook]]:
    """List the receivers of events."""
    return answers.get_page(Webhook, "/v1/webhooks")


def add_webhook(url: str, topics: Sequence[str]) -> Operation[Webhook]:
    """Have events of some topics (patterns such as 'analysis.*') sent to a URL."""
    return answers.post(Webhook, "/v1/webhooks", {"url": url, "topics": list(topics)})


def delete_webhook(webhook_id: UUID) -> Operation[None]:
    """Send no more events to a receiver."""
    return answers.delete(f"/v1/webhooks/{webhook_id}")


def audit_events(
    *,
    subject: str | None = None,
    action: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Operation[Page[AuditEvent]]:
    """List who did what, newest first."""
    query = {
        "subject": subject,
        "action": action,
        "since": None if since is None else since.isoformat(),
        "until": None if until is None else until.isoformat(),
        "cursor": cursor,
        "limit": limit,
    }
    return answers.get_page(AuditEvent, "/v1/audit/events", query)


def me() -> Operation[Model]:
    """Return who the caller is, and what it may do."""
    return answers.get(Model, "/v1/me")


def limits() -> Operation[Model]:
    """Return the published limits of the server."""
    return answers.get(Model, "/v1/limits")


def version() -> Operation[Model]:
    """Return the version of the server."""
    return answers.get(Model, "/v1/version")
