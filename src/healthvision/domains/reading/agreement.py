# SPDX-License-Identifier: Apache-2.0
"""How far doctors agree with an application version, and with each other."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from healthvision.clinical.statistics.agreement import cohen, wilson
from healthvision.domains.reading import bands, verdict_rows
from healthvision.domains.reading.verdict_schemas import (
    Agreement,
    AgreementGroup,
    AgreementQuery,
    AgreementReport,
    Rate,
    ReaderPair,
)
from healthvision.domains.spaces import service as spaces
from healthvision.kernel.clock import now
from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor

Version = tuple[str, str]


async def agreement(session: Session, actor: Actor, query: AgreementQuery) -> AgreementReport:
    """Return the statistics over active verdicts in spaces the caller may read; SpaceNotFound."""
    if query.space is not None:
        places = [(await spaces.get(session, actor, query.space)).id]
    else:
        places = [s.id for s in await spaces.visible(session, actor)]
    where = verdict_rows.counting(actor.org_id, places, query)
    groups: defaultdict[Version, list[Any]] = defaultdict(list)
    for row in await verdict_rows.grouped(session, where):
        groups[row[0], row[1]].append(row[2:])
    pairs = await _pairs(session, where)
    items = [
        _one((application, version), results, readers, groups[application, version], pairs)
        for application, version, results, readers in await verdict_rows.heads(session, where)
    ]
    return AgreementReport(items=items, made_at=now())


def _one(
    version: Version,
    results: int,
    readers: int,
    rows: Sequence[Any],
    pairs: dict[Version, list[ReaderPair]],
) -> Agreement:
    def by(column: int, order: Sequence[str] | None = None) -> list[AgreementGroup]:
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for row in rows:
            counts[row[column] or bands.UNKNOWN][row[3]] += row[4]
        names = [n for n in order if n in counts] if order else sorted(counts)
        return [_group(name, counts[name]) for name in names]

    total: Counter[str] = Counter()
    for row in rows:
        total[row[3]] += row[4]
    return Agreement(
        application=version[0],
        application_version=version[1],
        results=results,
        readers=readers,
        total=_group("all", total),
        by_category=by(0),
        by_size=by(1, bands.SIZE_BANDS),
        by_confidence=by(2, bands.CONFIDENCE_BANDS),
        pairs=pairs.get(version, []),
    )


def _group(name: str, counts: Counter[str]) -> AgreementGroup:
    n = sum(counts.values())
    return AgreementGroup(
        name=name,
        accepted=_rate(counts["accept"], n),
        rejected=_rate(counts["reject"], n),
        modified=_rate(counts["modify"], n),
    )


def _rate(count: int, n: int) -> Rate:
    found = wilson(count, n)
    return Rate(count=count, n=n, share=found.share, low=found.low, high=found.high)


async def _pairs(session: Session, where: Sequence[Any]) -> dict[Version, list[ReaderPair]]:
    names = await verdict_rows.names(session, where)
    tables: defaultdict[tuple[str, str, str, str], Counter[tuple[str, str]]]
    tables = defaultdict(Counter)
    for application, version, a, b, said_a, said_b, number in await verdict_rows.double_read(
        session, where
    ):
        tables[application, version, a, b][said_a, said_b] += number
    found: defaultdict[Version, list[ReaderPair]] = defaultdict(list)
    for (application, version, a, b), decisions in sorted(tables.items()):
        found[application, version].append(_pair(names.get(a, a), names.get(b, b), decisions))
    return found


def _pair(a: str, b: str, decisions: Counter[tuple[str, str]]) -> ReaderPair:
    judged = cohen(decisions)
    return ReaderPair(
        reader_a=a, reader_b=b, n=judged.n, observed=judged.observed, kappa=judged.kappa
    )
