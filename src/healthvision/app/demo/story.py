# SPDX-License-Identifier: Apache-2.0
"""The story ``make demo`` tells, step by step, through the public API only."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from healthvision.app import accounts
from healthvision.app.demo import loopback, tables
from healthvision.app.demo.materials import Case, not_images, own_cases, phantom_cases
from healthvision.app.demo.receiver import Receiver, receiving
from healthvision.app.demo.server import DemoFailed, FolderTaken, Server, running
from healthvision.app.demo.visit import Visit
from healthvision.client import ApiError, ApiKey, Client, ConnectionFailed
from healthvision.client.effects import Call, Operation
from healthvision.client.models import Batch, Upload, UploadMeta

APPLICATION = "lung-ct"
RESULT_S = 600.0
RULE_S = 3.0  # from a complete study to the task that a rule makes, when nothing else waits
NO_TASK_S = 90.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What the user asked for."""

    once: bool
    seed: int
    data: Path | None
    port: int
    folder: Path


def run(plan: Plan) -> int:
    """Tell the story; returns the exit code (0 good, 1 something failed, 2 bad input)."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=170)
    if plan.data is not None and not plan.data.exists():
        text = f"demo: there is no {plan.data}: give a file or folder that exists in DATA="
        console.print(escape(text), soft_wrap=True)
        return 2
    if plan.data is not None and not any(True for _ in own_cases(plan.data)):
        text = (
            f"demo: {plan.data} holds no image: give DICOM (loose or zipped), NIfTI, JPEG, PNG "
            "or TIFF"
        )
        console.print(escape(text), soft_wrap=True)
        return 2
    if not loopback.ensure_up():
        console.print("[red]demo failed[/]: loopback is down; run: ip link set lo up")
        return 1
    try:
        with receiving() as receiver, running(plan.folder, plan.port) as server:
            return _tell(plan, console, server, receiver)
    except FolderTaken as error:
        console.print(f"demo: {error}", soft_wrap=True)
        return 2
    except (DemoFailed, ConnectionFailed) as error:
        console.print(f"[red]demo failed[/]: {error}")
        return 1


def _tell(plan: Plan, console: Console, server: Server, receiver: Receiver) -> int:
    _tell_place(console, server, plan)
    with Client(server.url, ApiKey(server.people.admin_key)) as admin:
        _subscribe(admin, receiver)
        with Client(server.url, ApiKey(server.people.doctor_key)) as doctor:
            visits = _bring_in(plan, console, doctor)
            _wait_for_results(console, doctor, visits)
            tables.print_findings(console, visits)
            if not plan.once:
                tables.print_links(console, server.url, visits)
            saved = tables.save_reports(doctor, visits, plan.folder / "reports")
            if saved:
                told = f"{tables.counted(len(saved), 'report')} saved in {saved[0].parent}"
                console.print(told, soft_wrap=True)
            failures = _show_batch(console, doctor, visits)
        failures += _show_webhooks(console, receiver, visits)
        tables.print_access(console, admin, visits, _people(admin))
        failures += tables.print_audit(console, admin)
    failures += [text for v in visits for text in v.failures]
    for text in failures:
        console.print(f"[red]failed[/]: {escape(text)}")
    failed = len(failures)
    studies = len({s for v in visits for s in v.study_ids})
    results = sum(len(v.results) for v in visits)
    if not plan.once:
        _serve(console, server, plan)
    console.print(f"demo: {studies} studies, {results} results, {failed} failed")
    return 1 if failed or studies == 0 else 0


def _tell_place(console: Console, server: Server, plan: Plan) -> None:
    """Say where it runs; a demo that ends after the table has no address for a browser."""
    if plan.once:
        text = (
            f"HealthVision runs at {server.url} only until this demo ends; without --once "
            f"(make demo without ONCE=1) it keeps serving. Data in {plan.folder}"
        )
        console.print(escape(text), soft_wrap=True)
    else:
        place = escape(str(plan.folder))
        console.print(f"HealthVision runs at {server.url} (data in {place})", soft_wrap=True)
        _tell_people(console, server)
    for line in server.notes:
        console.print(f"[yellow]note[/]: {escape(line)}", soft_wrap=True)


def _tell_people(console: Console, server: Server) -> None:
    console.print(f"Open {server.url} in a browser and sign in:", soft_wrap=True)
    for email, password in (
        (accounts.DOCTOR, server.people.doctor_password),
        (accounts.ADMIN, server.people.admin_password),
    ):
        console.print(f"  {email}   password {password}", soft_wrap=True)


def _people(admin: Client) -> dict[str, str]:
    """Return the names of the organisation's people by id."""
    response: httpx.Response = admin.run(_users())
    items = response.json()["items"]
    return {str(found["id"]): str(found["name"]) for found in items}


def _users() -> Operation[httpx.Response]:
    response: httpx.Response = yield Call("GET", "/v1/users", {"limit": 100})
    return response


def _subscribe(admin: Client, receiver: Receiver) -> None:
    webhook = admin.add_webhook(receiver.url, ["analysis.result_ready.v1"])
    receiver.secret = webhook.secret or ""


def _bar(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description:<34}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
    )
    return Progress(*columns, TimeElapsedColumn(), console=console)


def _cases(plan: Plan, console: Console) -> Iterator[Case]:
    if plan.data is not None:
        left = not_images(plan.data)
        if left:
            names = ", ".join(p.name for p in left[:5]) + (", ..." if len(left) > 5 else "")
            skipped = tables.counted(len(left), "file")
            console.print(f"{skipped} skipped, no images: {escape(names)}", soft_wrap=True)
        yield from own_cases(plan.data)
    else:
        yield from phantom_cases(plan.seed, lambda n: console.print(f"  phantom '{n}' drawn"))


def _bring_in(plan: Plan, console: Console, doctor: Client) -> list[Visit]:
    visits = []
    with _bar(console) as bar, TemporaryDirectory() as scratch:
        for case in _cases(plan, console):
            visit = Visit(case)
            job = bar.add_task(f"{case.label} by {case.door}", total=1.0)
            begun = time.monotonic()

            def progress(done: int, total: int, job: object = job) -> None:
                bar.update(job, completed=done / max(total, 1))  # type: ignore[arg-type]

            try:
                if case.door == "STOW-RS":
                    _store(doctor, case, visit, progress)
                else:
                    _upload(doctor, case, visit, Path(scratch), progress)
            except ApiError as error:
                visit.failures.append(f"{case.label}: {error}")
            visit.brought_s = time.monotonic() - begun
            bar.update(job, completed=1.0)
            visits.append(visit)
    return visits


def _store(doctor: Client, case: Case, visit: Visit, progress: tables.Progress) -> None:
    assert isinstance(case.files, tuple)
    answer = doctor.stow(list(case.files), progress=progress)
    visit.failures += [f"{r.sop_uid}: {r.detail or r.reason}" for r in answer.refused]
    uids = {s.url.split("/studies/")[-1].split("/")[0] for s in answer.stored}
    for uid in sorted(uids):
        study = doctor.find_study(uid)
        if study is not None:
            visit.study_ids.append(study.id)


def _upload(
    doctor: Client, case: Case, visit: Visit, scratch: Path, progress: tables.Progress
) -> None:
    path = case.files if isinstance(case.files, Path) else scratch / case.filename
    if isinstance(case.files, tuple):
        path.write_bytes(case.files[0])
    meta = UploadMeta.model_validate(case.meta)
    done: Upload = doctor.upload(path, meta=meta, content_type=case.content_type, progress=progress)
    visit.study_ids += done.studies
    visit.skipped = done.skipped
    bad = [r for r in done.results if r.outcome in ("failed", "quarantined")]
    visit.failures += [f"{r.name}: {r.reason}" for r in bad]
    if done.state == "failed":
        visit.failures.append(f"{case.label}: {done.error}")


def _wait_for_results(console: Console, doctor: Client, visits: list[Visit]) -> None:
    console.print("The rule of the space starts the application when a study is complete ...")
    with _bar(console) as bar:
        jobs = {id(v): bar.add_task(f"analysing {v.case.label}", total=1.0) for v in visits}
        begun = time.monotonic()
        while time.monotonic() - begun < RESULT_S:
            for visit in visits:
                visit.tasks = [t for s in visit.study_ids for t in doctor.tasks(study_id=s).items]
                done = [1.0 if t.finished else t.progress for t in visit.tasks]
                bar.update(jobs[id(visit)], completed=sum(done) / len(done) if done else 0.0)
            _note_complete(doctor, visits)
            _tell_unfit(bar, jobs, visits)
            if _settled(visits, time.monotonic() - begun):
                break
            time.sleep(1.0)
        _tell_unfit(bar, jobs, visits, at_end=True)
    for visit in visits:
        _collect(doctor, visit)


def _note_complete(doctor: Client, visits: list[Visit]) -> None:
    """Take note of the time at which all studies of a visit without a task were complete."""
    for visit in visits:
        if visit.tasks or not visit.study_ids or visit.complete_at is not None:
            continue
        studies = [doctor.study(s) for s in visit.study_ids]
        if all(place.state == "complete" for s in studies for place in s.spaces):
            visit.complete_at = time.monotonic()


def unfit(visit: Visit, at: float) -> bool:
    """Tell whether no task will come any more: complete for a while, and no rule made one."""
    if visit.tasks or visit.case.truth is not None:
        return False
    done = visit.complete_at
    return not visit.study_ids or (done is not None and at - done >= RULE_S)


def _tell_unfit(
    bar: Progress, jobs: dict[int, TaskID], visits: list[Visit], *, at_end: bool = False
) -> None:
    for visit in visits:
        if (at_end and not visit.tasks) or unfit(visit, time.monotonic()):
            kept = "stored, no application fits" if visit.study_ids else "not stored"
            text = f"{visit.case.label}: {kept}"
            bar.update(jobs[id(visit)], completed=1.0, description=escape(text))


def _settled(visits: list[Visit], seconds: float) -> bool:
    at = time.monotonic()
    if seconds < NO_TASK_S and any(not v.tasks and not unfit(v, at) for v in visits):
        return False
    return all(t.finished for v in visits for t in v.tasks)


def _collect(doctor: Client, visit: Visit) -> None:
    for task in visit.tasks:
        if task.result_id is not None:
            visit.results.append(doctor.result(task.result_id))
        else:
            visit.failures.append(f"{visit.case.label}: task {task.state}: {task.error_detail}")
    if visit.case.truth is not None and not visit.tasks:
        visit.failures.append(f"{visit.case.label}: the rule started no task")


def _show_batch(console: Console, doctor: Client, visits: list[Visit]) -> list[str]:
    """Submit what has results again as one batch; returns its failures."""
    done = [t for v in visits for t in v.tasks if t.result_id is not None]
    studies = list(dict.fromkeys(t.study_id for t in done if t.application == APPLICATION))
    if not studies:
        return []
    batch = doctor.submit_batch(studies, application=APPLICATION, title="demo")
    if not batch.finished:
        batch = doctor.wait_for_batch(batch.id, timeout_s=RESULT_S)
    console.print(
        f"Batch of {tables.counted(len(studies), 'study')}: {batch.done} done, "
        f"{batch.failed} failed "
        "(equal inputs gave the results that were there: no work was done twice)"
    )
    return batch_failures(batch)


def batch_failures(batch: Batch) -> list[str]:
    """Return a line for each item of a batch that failed or did not end."""
    named = [
        f"batch: study {i.study_id}: {i.error_detail or i.error_code or i.state}"
        for i in batch.items
        if i.state == "failed" or i.error_code is not None
    ]
    unnamed = batch.failed - len(named)
    lines = named + ([f"batch: {unnamed} studies failed"] if unnamed > 0 else [])
    return lines + ([f"batch: {batch.open} studies did not end"] if batch.open else [])


def _show_webhooks(console: Console, receiver: Receiver, visits: list[Visit]) -> list[str]:
    """Print the first webhooks; returns those that are missing or wrongly signed."""
    failures = []
    wanted = sum(len(v.results) for v in visits)
    end = time.monotonic() + 30
    while len(receiver.arrivals) < wanted and time.monotonic() < end:
        time.sleep(0.2)
    if wanted and len(receiver.arrivals) < wanted:
        failures.append(f"{wanted - len(receiver.arrivals)} webhooks did not arrive")
    unsigned = [a for a in receiver.arrivals if not a.signed]
    failures += [f"webhook {a.id}: wrong signature" for a in unsigned]
    for arrival in receiver.arrivals[:3]:
        state = "signature right" if arrival.signed else "[red]SIGNATURE WRONG[/]"
        kind = arrival.document.get("type")
        console.print(f"Webhook {arrival.id}: {kind}, {state}, no name in it")
    return failures


def _serve(console: Console, server: Server, plan: Plan) -> None:
    console.print(f"\nIt keeps serving at {server.url} until Ctrl+C. API docs: {server.url}/docs")
    _tell_people(console, server)
    console.print(f"API key of the demo's doctor: {server.people.doctor_key}")
    try:
        while server.process.poll() is None:
            time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("stopping ...")
