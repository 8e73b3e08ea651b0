# SPDX-License-Identifier: Apache-2.0
"""Whether a subscription wants an event. Pure."""

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from healthvision.domains.notify.schemas import CATEGORIES

OWN = "notify."
TEST_TOPIC = "notify.test.v1"
_RANK = {name: place for place, name in enumerate(CATEGORIES)}


def topic_matches(topics: Sequence[str], topic: str) -> bool:
    """Tell whether one of the patterns fits the topic."""
    return any(fnmatchcase(topic, pattern) for pattern in topics)


def unknown_topic(topics: Sequence[str], known: Collection[str]) -> str | None:
    """Return the first topic without a wildcard that no event has."""
    return next((t for t in topics if "*" not in t and t not in known), None)


def fields_match(wanted: Mapping[str, Sequence[str]], body: Mapping[str, Any]) -> bool:
    """Tell whether each named field of the event has one of the wanted values."""
    return all(str(body.get(field, "")) in values for field, values in wanted.items())


def category_reaches(least: str | None, body: Mapping[str, Any]) -> bool:
    """Tell whether the event's category is the wanted one or higher; unknown is not.

    The category stands in ``category``, or as 'guideline:category' in ``worst_category``.
    """
    if least is None:
        return True
    said = str(body.get("category") or body.get("worst_category") or "")
    found = _RANK.get(said.rpartition(":")[2].upper())
    return found is not None and found >= _RANK[least]
