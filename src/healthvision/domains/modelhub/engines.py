# SPDX-License-Identifier: Apache-2.0
"""The inference engines of this process: what applications may ask for from their sandbox."""

from collections.abc import Iterable, Mapping
from typing import Any

from healthvision.domains.modelhub.errors import EngineNotFound
from healthvision.domains.modelhub.ports import Engine


class Engines:
    """Engines by name; none are installed by default."""

    def __init__(self, engines: Iterable[Engine] = ()) -> None:
        self._engines = {engine.name: engine for engine in engines}

    def __bool__(self) -> bool:
        return bool(self._engines)

    def infer(self, name: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask an engine; raises EngineNotFound and what the engine raises."""
        if name not in self._engines:
            raise EngineNotFound("there is no such inference engine")
        return self._engines[name].infer(values)
