# SPDX-License-Identifier: Apache-2.0
"""The installed applications: found by entry points, checked, addressed by id and version."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from healthvision.clinical.result import EvidenceLevel
from healthvision.clinical.study import SeriesHeader
from healthvision.domains.modelhub.errors import (
    ApplicationNotFound,
    ManifestInvalid,
    NoApplicationFits,
)
from healthvision.domains.modelhub.matching import SERIES_ATTRIBUTES, accepted
from healthvision.domains.modelhub.ports import EvidenceRecord, Manifest
from healthvision.kernel import plugins
from healthvision.kernel.errors import Problem
from healthvision.kernel.rules import compile_rule

GROUP = "applications"


@dataclass(frozen=True, slots=True)
class Installed:
    """One installed application. ``target``: 'module:attribute' that a child process imports."""

    manifest: Manifest
    target: str
    distribution: str = ""

    @property
    def weights_sha256(self) -> str | None:
        """One digest over all weights files, None when there are none."""
        if not self.manifest.weights:
            return None
        digests = sorted(w.sha256 for w in self.manifest.weights)
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Broken:
    """An application that is installed and cannot be used, and why."""

    name: str
    reason: str


def supported_level(records: Iterable[EvidenceRecord]) -> EvidenceLevel:
    """Return the highest evidence level that the records support.

    E0 needs no record. E1 needs a phantom record with n >= 1, E2 and E3 one with n >= 2 and an
    interval that holds the value.
    """
    level = EvidenceLevel.E0
    for record in records:
        counted = record.n >= (1 if record.level is EvidenceLevel.E1 else 2)
        if record.level in (EvidenceLevel.E2, EvidenceLevel.E3):
            bounded = record.low is not None and record.high is not None
            counted = counted and bounded and _between(record)
        if counted:
            level = max(level, record.level)
    return level


def level_of_finding(records: Iterable[EvidenceRecord], code: str) -> EvidenceLevel:
    """Return the highest level that the records about one kind of finding support.

    Records that name no finding speak for all of them.
    """
    return supported_level(r for r in records if not r.findings or code in r.findings)


def _between(record: EvidenceRecord) -> bool:
    assert record.low is not None and record.high is not None
    return record.low <= record.value <= record.high


def check_manifest(manifest: Manifest) -> None:
    """Raise ManifestInvalid or RuleInvalid when the manifest claims what it cannot hold."""
    compile_rule(manifest.accepts, SERIES_ATTRIBUTES)
    supported = supported_level(manifest.evidence)
    if manifest.evidence_level > supported:
        raise ManifestInvalid(
            f"{manifest.id} {manifest.version} shows evidence level {manifest.evidence_level}, "
            f"its records support {supported}",
            application=manifest.id,
        )


class Registry:
    """All applications of this installation, by id and version."""

    def __init__(self, installed: Iterable[Installed], broken: Iterable[Broken] = ()) -> None:
        self._by_id: dict[str, list[Installed]] = {}
        self.broken = list(broken)
        for application in installed:
            self._add(application)

    def _add(self, application: Installed) -> None:
        manifest = application.manifest
        try:
            check_manifest(manifest)
        except Problem as problem:
            self.broken.append(Broken(manifest.id, problem.detail))
            return
        versions = self._by_id.setdefault(manifest.id, [])
        versions.append(application)
        versions.sort(key=lambda item: _version_key(item.manifest.version), reverse=True)

    def newest(self) -> list[Installed]:
        """Return the newest version of each application, by id."""
        return [self._by_id[key][0] for key in sorted(self._by_id)]

    def versions(self, application_id: str) -> list[Installed]:
        """Return the installed versions, newest first; raises ApplicationNotFound."""
        found = self._by_id.get(application_id)
        if not found:
            raise ApplicationNotFound(f"no application {application_id[:64]!r} is installed")
        return list(found)

    def get(self, application_id: str, version: str | None = None) -> Installed:
        """Return one version (default: the newest); raises ApplicationNotFound."""
        for application in self.versions(application_id):
            if version is None or application.manifest.version == version:
                return application
        raise ApplicationNotFound(
            f"{application_id} has no installed version {str(version)[:64]!r}"
        )

    def fitting(self, series: Sequence[SeriesHeader]) -> list[Installed]:
        """Return the newest version of each application that accepts some of the series."""
        return [item for item in self.newest() if accepted(item.manifest, series)]

    def pick(self, application_id: str | None, series: Sequence[SeriesHeader]) -> Installed:
        """Return the wanted application, or the first one that fits.

        Raises ApplicationNotFound, or NoApplicationFits when none was wanted and none fits.
        """
        if application_id is not None:
            return self.get(application_id)
        fitting = self.fitting(series)
        if not fitting:
            seen = ", ".join(sorted({header.modality for header in series})) or "no images"
            raise NoApplicationFits(f"no installed application accepts these images ({seen})")
        return fitting[0]


def _version_key(version: str) -> list[tuple[int, int | str]]:
    parts = re.findall(r"\d+|[a-z]+", version.lower())
    return [(1, int(p)) if p.isdigit() else (0, p) for p in parts]


def discover() -> Registry:
    """Return the applications found through the entry point group ``healthvision.applications``."""
    installed: list[Installed] = []
    broken: list[Broken] = []
    for name in plugins.names(GROUP):
        try:
            manifest = plugins.load(GROUP, name).manifest
        except Problem as problem:
            broken.append(Broken(name, problem.detail))
            continue
        installed.append(Installed(manifest, plugins.target(GROUP, name)))
    return Registry(installed, broken)
