# SPDX-License-Identifier: Apache-2.0
"""``Client`` (blocking) and ``AsyncClient``: the same operations, two executors."""

import functools
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

import httpx

from healthvision.client.auth import Auth, NoAuth
from healthvision.client.calls import analysis, reading, signin, system, uploads
from healthvision.client.calls import studies as imaging
from healthvision.client.effects import Operation
from healthvision.client.engine import RetryPolicy
from healthvision.client.executors import AsyncExecutor, SyncExecutor

P = ParamSpec("P")
T = TypeVar("T")
TIMEOUT_S = 30.0
AGENT = "healthvision-python"


def _blocking(
    operation: Callable[P, Operation[T]],
) -> Callable[Concatenate["Client", P], T]:
    @functools.wraps(operation)
    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.run(operation(*args, **kwargs))

    return method


def _awaited(
    operation: Callable[P, Operation[T]],
) -> Callable[Concatenate["AsyncClient", P], Awaitable[T]]:
    @functools.wraps(operation)
    async def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.run(operation(*args, **kwargs))

    return method


class Client:
    """Talks to one HealthVision server, blocking.

    >>> with Client("https://hv.example", ApiKey("...")) as hv:
    ...     hv.stow([Path("slice.dcm")])

    ``transport``: another httpx transport, e.g. for tests. All methods raise ``ApiError`` or
    ``ConnectionFailed``.
    """

    def __init__(
        self,
        base_url: str,
        auth: Auth | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        retry: RetryPolicy | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        http = httpx.Client(
            base_url=base_url,
            timeout=timeout_s,
            transport=transport,
            headers={"User-Agent": AGENT},
        )
        self._executor = SyncExecutor(http, auth or NoAuth(), retry or RetryPolicy())

    def run(self, operation: Operation[T]) -> T:
        """Run an operation of ``healthvision.client.calls``."""
        return self._executor.run(operation)

    def close(self) -> None:
        """Close the connections."""
        self._executor.http.close()

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    start_device = _blocking(signin.start_device)
    wait_for_device = _blocking(signin.wait_for_device)
    revoke = _blocking(signin.revoke)
    upload = _blocking(uploads.upload)
    resume_upload = _blocking(uploads.resume_upload)
    get_upload = _blocking(uploads.get_upload)
    wait_for_upload = _blocking(uploads.wait_for_upload)
    stow = _blocking(imaging.stow)
    search = _blocking(imaging.search)
    studies = _blocking(imaging.studies)
    study = _blocking(imaging.study)
    find_study = _blocking(imaging.find_study)
    close_study = _blocking(imaging.close_study)
    delete_study = _blocking(imaging.delete_study)
    download_instance = _blocking(imaging.download_instance)
    models = _blocking(analysis.models)
    submit = _blocking(analysis.submit)
    task = _blocking(analysis.task)
    tasks = _blocking(analysis.tasks)
    cancel_task = _blocking(analysis.cancel_task)
    change_priority = _blocking(analysis.change_priority)
    retry_task = _blocking(analysis.retry_task)
    submit_batch = _blocking(analysis.submit_batch)
    batch = _blocking(analysis.batch)
    wait_for_batch = _blocking(analysis.wait_for_batch)
    wait_for_task = _blocking(analysis.wait_for_task)
    result = _blocking(analysis.result)
    results = _blocking(analysis.results)
    wait_for_result = _blocking(analysis.wait_for_result)
    export_result = _blocking(analysis.export_result)
    download_output = _blocking(analysis.download_output)
    download_outputs = _blocking(analysis.download_outputs)
    worklist = _blocking(reading.worklist)
    give_verdict = _blocking(reading.give_verdict)
    verdicts = _blocking(reading.verdicts)
    agreement = _blocking(reading.agreement)
    study_report = _blocking(reading.study_report)
    export_report = _blocking(reading.export_report)
    subscriptions = _blocking(system.subscriptions)
    subscribe = _blocking(system.subscribe)
    add_webhook = _blocking(system.add_webhook)
    unsubscribe = _blocking(system.unsubscribe)
    deliveries = _blocking(system.deliveries)
    audit_events = _blocking(system.audit_events)
    verify_audit = _blocking(system.verify_audit)
    me = _blocking(system.me)
    limits = _blocking(system.limits)
    version = _blocking(system.version)


class AsyncClient:
    """Talks to one HealthVision server on an event loop; the methods are those of ``Client``."""

    def __init__(
        self,
        base_url: str,
        auth: Auth | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        retry: RetryPolicy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        http = httpx.AsyncClient(
            base_url=base_url,
            timeout=timeout_s,
            transport=transport,
            headers={"User-Agent": AGENT},
        )
        self._executor = AsyncExecutor(http, auth or NoAuth(), retry or RetryPolicy())

    async def run(self, operation: Operation[T]) -> T:
        """Run an operation of ``healthvision.client.calls``."""
        return await self._executor.run(operation)

    async def close(self) -> None:
        """Close the connections."""
        await self._executor.http.aclose()

    async def __aenter__(self) -> Self:
        """Return the client itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.close()

    start_device = _awaited(signin.start_device)
    wait_for_device = _awaited(signin.wait_for_device)
    revoke = _awaited(signin.revoke)
    upload = _awaited(uploads.upload)
    resume_upload = _awaited(uploads.resume_upload)
    get_upload = _awaited(uploads.get_upload)
    wait_for_upload = _awaited(uploads.wait_for_upload)
    stow = _awaited(imaging.stow)
    search = _awaited(imaging.search)
    studies = _awaited(imaging.studies)
    study = _awaited(imaging.study)
    find_study = _awaited(imaging.find_study)
    close_study = _awaited(imaging.close_study)
    delete_study = _awaited(imaging.delete_study)
    download_instance = _awaited(imaging.download_instance)
    models = _awaited(analysis.models)
    submit = _awaited(analysis.submit)
    task = _awaited(analysis.task)
    tasks = _awaited(analysis.tasks)
    cancel_task = _awaited(analysis.cancel_task)
    change_priority = _awaited(analysis.change_priority)
    retry_task = _awaited(analysis.retry_task)
    submit_batch = _awaited(analysis.submit_batch)
    batch = _awaited(analysis.batch)
    wait_for_batch = _awaited(analysis.wait_for_batch)
    wait_for_task = _awaited(analysis.wait_for_task)
    result = _awaited(analysis.result)
    results = _awaited(analysis.results)
    wait_for_result = _awaited(analysis.wait_for_result)
    export_result = _awaited(analysis.export_result)
    download_output = _awaited(analysis.download_output)
    download_outputs = _awaited(analysis.download_outputs)
    worklist = _awaited(reading.worklist)
    give_verdict = _awaited(reading.give_verdict)
    verdicts = _awaited(reading.verdicts)
    agreement = _awaited(reading.agreement)
    study_report = _awaited(reading.study_report)
    export_report = _awaited(reading.export_report)
    subscriptions = _awaited(system.subscriptions)
    subscribe = _awaited(system.subscribe)
    add_webhook = _awaited(system.add_webhook)
    unsubscribe = _awaited(system.unsubscribe)
    deliveries = _awaited(system.deliveries)
    audit_events = _awaited(system.audit_events)
    verify_audit = _awaited(system.verify_audit)
    me = _awaited(system.me)
    limits = _awaited(system.limits)
    version = _awaited(system.version)
