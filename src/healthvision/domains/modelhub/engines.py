# SPDX-License-Identifier: Apache-2.0
"""The inference engines of this process: what applications may ask for from their sandbox."""

from collections.abc import Iterable, Mapping
from typing import Any

from healthvision.domains.modelhub.errors import EngineNotFound
from healthvision.domains.modelhub.ports import Engine
from healthvision.domains.modelhub.registry import ENGINES
from healthvision.domains.modelhub.shelf import Shelf, remote_name
from healthvision.kernel import plugins


class Engines:
    """Engines by name, and one for each added model that runs on a server.

    Such a model is asked by ``remote_name``; its engine is made by the plugin of its kind.
    """

    def __init__(self, engines: Iterable[Engine] = (), shelf: Shelf | None = None) -> None:
        self._engines = {engine.name: engine for engine in engines}
        self._shelf = shelf

    def __bool__(self) -> bool:
        return bool(self._engines) or bool(self._remote())

    def infer(self, name: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask an engine; raises EngineNotFound and what the engine raises."""
        if name in self._engines:
            return self._engines[name].infer(values)
        spec = self._remote().get(name)
        if spec is None:
            raise EngineNotFound("there is no such inference engine")
        answer: Mapping[str, Any] = plugins.load(ENGINES, spec.kind)(spec).infer(values)
        return answer

    def _remote(self) -> dict[str, Any]:
        stored = () if self._shelf is None else self._shelf.stored()
        return {
            remote_name(item.entry.id, item.entry.version): item.description.engine
            for item in stored
            if item.description.file is None
        }
