# SPDX-License-Identifier: Apache-2.0
"""Server-sent events, line by line (WHATWG HTML 9.2)."""

from dataclasses import dataclass, field

from healthvision.client.effects import ServerEvent


@dataclass(slots=True)
class EventParser:
    """Collects lines into events; ``feed`` returns an event when a blank line completes it."""

    _name: str = ""
    _id: str = ""
    _data: list[str] = field(default_factory=list)

    def feed(self, line: str) -> ServerEvent | None:
        """Take one line without its end."""
        if not line:
            return self._complete()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        elif name == "id":
            self._id = value
        return None

    def _complete(self) -> ServerEvent | None:
        if not self._data:
            self._name = ""
            return None
        event = ServerEvent(self._name or "message", "\n".join(self._data), self._id)
        self._name, self._data = "", []
        return event
