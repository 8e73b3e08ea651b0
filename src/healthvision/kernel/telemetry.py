# SPDX-License-Identifier: Apache-2.0
"""Logs (JSON lines in ECS field names), metrics (Prometheus), request and trace ids."""

import logging
import re
import secrets
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    start_http_server,
)

REGISTRY = CollectorRegistry(auto_describe=True)
REQUESTS = Counter(
    "hv_http_requests_total", "HTTP requests", ["route", "method", "status"], registry=REGISTRY
)
REQUEST_SECONDS = Histogram(
    "hv_http_request_seconds", "Time to the answer", ["route", "method"], registry=REGISTRY
)
JOBS = Counter("hv_jobs_total", "Jobs by outcome", ["job", "outcome"], registry=REGISTRY)
JOB_SECONDS = Histogram("hv_job_seconds", "Run time of jobs", ["job"], registry=REGISTRY)
WORKERS_TAKEN_OVER = Counter(
    "hv_jobs_taken_over_total", "Jobs taken over from dead workers", registry=REGISTRY
)
UP = Gauge("hv_up", "1 while the process serves", ["role"], registry=REGISTRY)

LOOPBACK = "127.0.0.1"

request_id_var: ContextVar[str | None] = ContextVar("request_id", default=None)
trace_id_var: ContextVar[str | None] = ContextVar("trace_id", default=None)

_TRACEPARENT = re.compile(r"^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$")
_REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{8,64}$")


def trace_id_from(traceparent: str | None) -> str:
    """Return the trace id of a W3C traceparent header, or a new one."""
    match = _TRACEPARENT.match(traceparent or "")
    return match.group(1) if match and set(match.group(1)) != {"0"} else secrets.token_hex(16)


def request_id_from(header: str | None) -> str:
    """Return the caller's request id when it is harmless, else a new one."""
    return header if header and _REQUEST_ID.match(header) else secrets.token_hex(12)


def _ecs(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    event["message"] = event.pop("event")
    event["log.level"] = event.pop("level", "info")
    event["@timestamp"] = event.pop("timestamp")
    if request_id := request_id_var.get():
        event["http.request.id"] = request_id
    if trace_id := trace_id_var.get():
        event["trace.id"] = trace_id
    return event


def configure_logging(*, level: str = "INFO", as_json: bool = True) -> None:
    """Set up structlog and send the standard library's loggers to standard error."""
    renderer: Any = structlog.processors.JSONRenderer(ensure_ascii=False)
    tail: list[Any] = [_ecs, renderer] if as_json else [structlog.dev.ConsoleRenderer()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *tail,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
        ),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, force=True)


def logger(name: str) -> Any:
    """Return a structured logger; log ids only, never personal data."""
    return structlog.get_logger(**{"log.logger": name})


@contextmanager
def metrics_listener(port: int) -> Iterator[None]:
    """Offer this process's metrics on the loopback address while it is open; port 0: do not.

    For roles without an HTTP door of their own (the API has ``/metrics``). A port that is taken
    is told in the log: a process that works unseen is better than one that does not work.
    """
    if port == 0:
        yield
        return
    try:
        server, thread = start_http_server(port, LOOPBACK, REGISTRY)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        logger("kernel.telemetry").warning("no metrics listener", port=port, reason=reason)
        yield
        return
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
