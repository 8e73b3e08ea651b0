# SPDX-License-Identifier: Apache-2.0
"""Subscriptions (webhooks), the audit log, and what the server says about itself."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from healthvision.client.calls import answers
from healthvision.client.effects import Operation
from healthvision.client.models import (
    AuditCheck,
    AuditEvent,
    Delivery,
    Limit,
    Model,
    Page,
    Subscription,
)


def subscriptions(
    *, cursor: str | None = None, limit: int | None = None
) -> Operation[Page[Subscription]]:
    """List the organisation's subscriptions."""
    return answers.get_page(Subscription, "/v1/subscriptions", {"cursor": cursor, "limit": limit})


def subscribe(
    name: str,
    topics: Sequence[str],
    channel: str,
    config: Mapping[str, Any],
    *,
    match: Mapping[str, Sequence[str]] | None = None,
    category_at_least: str | None = None,
    language: str = "zh",
) -> Operation[Subscription]:
    """Have events sent through a channel ('webhook', 'mail', 'sms', 'inbox').

    ``topics``: names or patterns such as 'analysis.*'; ``match``: fields of the event and the
    values they may have.
    """
    body: dict[str, Any] = {
        "name": name,
        "topics": list(topics),
        "channel": channel,
        "config": dict(config),
        "language": language,
    }
    if match is not None:
        body["match"] = {k: list(v) for k, v in match.items()}
    if category_at_least is not None:
        body["category_at_least"] = category_at_least
    return answers.post(Subscription, "/v1/subscriptions", body)


def add_webhook(
    url: str, topics: Sequence[str], *, name: str = "webhook"
) -> Operation[Subscription]:
    """Have events sent to a URL; the answer's ``secret`` signs them and is shown this once."""
    return subscribe(name, topics, "webhook", {"url": url})


def unsubscribe(subscription_id: UUID) -> Operation[None]:
    """Delete a subscription with its deliveries."""
    return answers.delete(f"/v1/subscriptions/{subscription_id}")


def deliveries(
    subscription_id: UUID,
    *,
    state: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Operation[Page[Delivery]]:
    """List a subscription's deliveries, newest first."""
    query = {"state": state, "cursor": cursor, "limit": limit}
    return answers.get_page(Delivery, f"/v1/subscriptions/{subscription_id}/deliveries", query)


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
        "from": None if since is None else since.isoformat(),
        "to": None if until is None else until.isoformat(),
        "cursor": cursor,
        "limit": limit,
    }
    return answers.get_page(AuditEvent, "/v1/audit/events", query)


def verify_audit(*, full: bool = True) -> Operation[AuditCheck]:
    """Check the audit log against its chain, tree and anchored heads."""
    return answers.get(AuditCheck, "/v1/audit/verify", {"full": str(full).lower()})


def me() -> Operation[Model]:
    """Return who the caller is, and what it may do."""
    return answers.get(Model, "/v1/me")


def limits() -> Operation[list[Limit]]:
    """Return the published limits of the server."""
    page = yield from answers.get_page(Limit, "/v1/limits")
    return page.items


def version() -> Operation[Model]:
    """Return the version of the server."""
    return answers.get(Model, "/v1/version")
