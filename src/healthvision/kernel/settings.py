# SPDX-License-Identifier: Apache-2.0
"""Typed settings: one small class per room, from environment or one TOML file."""

import os
import tomllib
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

CONFIG_FILE_VARIABLE = "HV_CONFIG"


class RoomSettings(BaseSettings):
    """Base of a room's settings; environment ``HV_<ROOM>_<FIELD>`` wins over TOML ``[room]``.

    Subclass with ``class ArchiveSettings(RoomSettings, room="archive")``. Every field has a
    default and a description: the reference page is made from them.
    """

    model_config = SettingsConfigDict(extra="ignore", frozen=True)
    room: ClassVar[str] = ""
    registry: ClassVar[dict[str, type["RoomSettings"]]] = {}
    _kept: ClassVar[tuple[object, "RoomSettings"] | None] = None

    def __init_subclass__(cls, room: str = "core", **kwargs: Any) -> None:
        """Name the room, which gives the environment prefix and the TOML table."""
        super().__init_subclass__(**kwargs)
        cls.room = room
        cls.model_config["env_prefix"] = "HV_" if room == "core" else f"HV_{room.upper()}_"
        RoomSettings.registry[room] = cls

    @classmethod
    def current(cls) -> Self:
        """Return the settings as they are now; read again only when the environment changed.

        For what runs for each request or object: reading them all costs half a millisecond.
        """
        state = _state(cls)
        kept = cls.__dict__.get("_kept")
        if kept is None or kept[0] != state:
            kept = (state, cls())
            cls._kept = kept
        found: Self = kept[1]
        return found

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order: arguments, environment, TOML file, defaults."""
        toml = InitSettingsSource(settings_cls, init_kwargs=_toml_table(cls.room))
        return init_settings, env_settings, toml


def _state(settings: type[RoomSettings]) -> tuple[object, ...]:
    """Return what the values of settings come from: variables, and the file as it is."""
    path = os.environ.get(CONFIG_FILE_VARIABLE)
    file = (path, Path(path).stat().st_mtime_ns) if path else ()
    prefix, get = str(settings.model_config["env_prefix"]), os.environ.get
    return file, tuple(get(f"{prefix}{name}".upper()) for name in settings.model_fields)


def _toml_table(room: str) -> dict[str, Any]:
    path = os.environ.get(CONFIG_FILE_VARIABLE)
    if not path:
        return {}
    with Path(path).open("rb") as file:
        table = tomllib.load(file).get(room, {})
    return {str(k): v for k, v in table.items()}


def _default_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "healthvision"


def _default_key_file() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "healthvision" / "master.key"


def _default_public_url(values: dict[str, Any]) -> str:
    return f"http://127.0.0.1:{values.get('port', 8080)}"


class CoreSettings(RoomSettings, room="core"):
    """Settings every role reads (prefix ``HV_``, TOML table ``[core]``)."""

    data_dir: Path = Field(
        default_factory=_default_data_dir,
        description="Folder for database, objects and staging in the embedded mode.",
    )
    database_url: str = Field(
        default="",
        description="SQLAlchemy URL; empty: SQLite file in data_dir. "
        "PostgreSQL: postgresql://user:password@host/name",
    )
    database_pool_size: int = Field(default=10, ge=1, description="Connections per process.")
    host: str = Field(default="127.0.0.1", description="Address the API listens on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port the API listens on.")
    public_url: str = Field(
        default_factory=_default_public_url,
        description="Address of the API as users see it; default: the port on 127.0.0.1.",
    )
    trusted_proxies: str = Field(
        default="",
        description="Addresses or networks of the gateways, by comma: from these alone "
        "X-Forwarded-For and X-Forwarded-Proto are believed. Empty: from nobody; behind a gateway "
        "its address has to be set, else all callers count as one address.",
    )
    master_key_file: Path = Field(
        default_factory=_default_key_file,
        description="File with the 32-byte master key (hex); outside data_dir; made if absent.",
    )
    redis_url: SecretStr | None = Field(
        default=None, description="Redis for rate limits and caches; empty: database and memory."
    )
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_json: bool = Field(default=True, description="JSON lines (ECS names) instead of text.")
    metrics_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Loopback port on which a process without the API (worker) shows its metrics "
        "to Prometheus; 0: none. One port per process; the API has /metrics on its own port.",
    )
    processes: bool = Field(
        default=False,
        description="Whether 'healthvision up' runs each role as a process of its own and starts "
        "it again when it dies; else all roles share one process (one core).",
    )
    upkeep_process: bool = Field(
        default=True,
        description="Whether a process of its own beside each worker seals what was received, "
        "checks and compacts it; else the worker does that, and senders wait longer for it.",
    )
    upkeep_nice: int = Field(
        default=3,
        ge=0,
        le=19,
        description="How far that process stands back for others that want the processor: 0 not "
        "at all, 19 most (the nice value of the system).",
    )
    worker_id: str = Field(
        default="", description="Name of this worker; empty: host name, process id and time."
    )
    worker_threads: int = Field(
        default=4, ge=1, description="Jobs of the default queue that run at once per worker."
    )
    analysis_slots: int = Field(
        default=1, ge=1, description="Routine analyses that run at once per worker."
    )
    worker_stale_s: float = Field(
        default=15.0, gt=1, description="Silence after which a worker's jobs are taken over."
    )

    def resolved_database_url(self) -> str:
        """Return the SQLAlchemy URL without a driver name."""
        if self.database_url:
            return self.database_url
        return f"sqlite:///{self.data_dir / 'healthvision.db'}"
