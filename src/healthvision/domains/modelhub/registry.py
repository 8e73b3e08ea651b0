# SPDX-License-Identifier: Apache-2.0
"""The installed applications: found by entry points, checked, addressed by id and version."""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from healthvision.clinical.study import SeriesHeader
from healthvision.domains.modelhub.errors import (
    ApplicationNotFound,
    ManifestInvalid,
    NoApplicationFits,
)
from healthvision.domains.modelhub.evidence import supported_level
from healthvision.domains.modelhub.manifests import manifest_of
from healthvision.domains.modelhub.matching import SERIES_ATTRIBUTES, accepted
from healthvision.domains.modelhub.ports import Manifest
from healthvision.domains.modelhub.settings import ModelhubSettings
from healthvision.domains.modelhub.shelf import Shelf, Stored
from healthvision.kernel import plugins
from healthvision.kernel.errors import Problem
from healthvision.kernel.rules import compile_rule

GROUP, ENGINES, MAKERS = "applications", "engines", "makers"


@dataclass(frozen=True, slots=True)
class Installed:
    """One installed application. ``target``: 'module:attribute' that a child process imports.

    ``stored``: of an added model, whose target is a function that makes it from its description.
    """

    manifest: Manifest
    target: str
    distribution: str = ""
    stored: Stored | None = None

    def material(self, add: Callable[[str, bytes], int]) -> dict[str, Any] | None:
        """Return what the child needs to make a described application; None for all others.

        Its files go through ``add`` (name, bytes), which returns their index. Raises
        ModelChanged.
        """
        if self.stored is None:
            return None
        file = self.stored.description.file
        return self.stored.request("" if file is None else plugins.target(ENGINES, file.kind), add)

    @property
    def material_bytes(self) -> int:
        """About how many bytes ``material`` adds."""
        return 0 if self.stored is None else self.stored.size()

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


@dataclass(frozen=True, slots=True)
class _Table:
    """Applications by id, newest first, and what cannot be used."""

    by_id: dict[str, list[Installed]]
    broken: list[Broken]

    def add(self, application: Installed) -> None:
        """Take one in, or note why not."""
        manifest = application.manifest
        try:
            check_manifest(manifest)
        except Problem as problem:
            self.broken.append(Broken(manifest.id, problem.detail))
            return
        versions = self.by_id.setdefault(manifest.id, [])
        versions.append(application)
        versions.sort(key=lambda item: _version_key(item.manifest.version), reverse=True)


def described(stored: Stored) -> Installed:
    """Return the application that is made from a stored description."""
    target = plugins.target(MAKERS, "described")
    return Installed(manifest_of(stored.description), target, stored=stored)


class Registry:
    """All applications of this installation, by id and version.

    Those of ``shelf`` (added models) come and go while the process runs.
    """

    def __init__(
        self,
        installed: Iterable[Installed],
        broken: Iterable[Broken] = (),
        shelf: Shelf | None = None,
    ) -> None:
        self.shelf = shelf
        self._fixed = _Table({}, list(broken))
        for application in installed:
            self._fixed.add(application)
        self._all = self._fixed
        self._seen: tuple[Stored, ...] | None = None

    @property
    def broken(self) -> list[Broken]:
        """What is installed and cannot be used."""
        return self._table().broken

    @property
    def _by_id(self) -> dict[str, list[Installed]]:
        return self._table().by_id

    def _table(self) -> "_Table":
        if self.shelf is None:
            return self._fixed
        stored = self.shelf.stored()
        if stored is not self._seen:
            table = _Table(
                {k: list(v) for k, v in self._fixed.by_id.items()}, [*self._fixed.broken]
            )
            table.broken.extend(Broken(name, reason) for name, reason in self.shelf.wrong())
            for item in stored:
                if item.entry.id in self._fixed.by_id:
                    table.broken.append(Broken(item.entry.id, "a plugin has the same id"))
                else:
                    table.add(described(item))
            self._all, self._seen = table, stored
        return self._all

    def newest(self) -> list[Installed]:
        """Return the newest version of each application, by id."""
        by_id = self._by_id
        return [by_id[key][0] for key in sorted(by_id)]

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


def _version_key(version: str) -> tuple[list[tuple[int, int | str]], ...]:
    """Return what versions are ordered by: 1.0.0-rc1 < 1.0.0 < 1.0.0+build < 1.0.1."""
    main, _, build = version.lower().partition("+")
    return _ordered(main), _ordered(build) if build else []


def _ordered(text: str) -> list[tuple[int, int | str]]:
    parts = re.findall(r"[0-9]+|[a-z]+", text)
    end: tuple[int, int | str] = (1, 0)  # after letters ('rc'), before further numbers
    return [*((2, int(p)) if p.isdigit() else (0, p) for p in parts), end]


def discover() -> Registry:
    """Return the applications of the entry point group ``healthvision.applications``, and the
    added models of the models folder.
    """
    installed: list[Installed] = []
    broken: list[Broken] = []
    for name in plugins.names(GROUP):
        try:
            manifest = plugins.load(GROUP, name).manifest
        except Problem as problem:
            broken.append(Broken(name, problem.detail))
            continue
        installed.append(Installed(manifest, plugins.target(GROUP, name)))
    return Registry(installed, broken, Shelf(ModelhubSettings().models_folder()))
