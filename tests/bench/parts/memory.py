"""`python -m tests.bench.parts.memory`: the growth of a Lambda's memory over 10,000 invocations of all kinds.

The handlers of the real zips run in processes and call the stand-in. It has no state, so the last invocation is
like the first; an emulator would become slower. The resident memory is read after each invocation. The growth is
that from the end of the warm-up to the last invocation.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from itertools import cycle, islice
from statistics import median
from typing import Any

from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import Command, CreateItem, DeleteItem, ReadItem, SetFields
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import new_job
from jobpipe.domain.jobs.queue_message import QueueMessage, seal
from tests.bench.laboratory.lambda_process import Foundation, LambdaProcess, open_foundation
from tests.bench.laboratory.stand_in import ENDED, QUEUED, running_stand_in
from tests.faults.stage.events import http_event
from tests.helpers.memory import RETENTION

TARGET_KB = 1024
INVOCATIONS, QUICK_INVOCATIONS = 10_000, 1_000
WARM_UP = 0.1  # of the invocations
_SAMPLE = 0.02  # of the invocations; its median is taken after the warm-up and at the end
_WAIT = "0.02"  # MAX_WAIT_SECONDS, so short that waiting requests do not prolong the run
_RARE = (17, 37, 57)  # of 60 turns: a batch, a wait and a create with a wait
_ITEM = {"name": "Tent", "description": "For two", "price": 12.95}


def measure(quick: bool = False) -> dict[str, object]:
    """Return the memory of each Lambda after the warm-up and at the end, and its growth, in KB."""
    with open_foundation() as foundation:
        return measure_on(foundation, quick)


def measure_on(foundation: Foundation, quick: bool = False) -> dict[str, object]:
    invocations = QUICK_INVOCATIONS if quick else INVOCATIONS
    with running_stand_in({}) as url, ExitStack() as stack, ThreadPoolExecutor(len(CASES)) as threads:
        running = [
            stack.enter_context(foundation.running(case.app, case.handler, url, MAX_WAIT_SECONDS=_WAIT))
            for case in CASES.values()
        ]
        growths = threads.map(lambda case, each: _growth(each, case, invocations), CASES.values(), running)
        figures = dict(zip(CASES, growths, strict=True))
    return {"target_kb": TARGET_KB, "invocations": invocations, **figures}


@dataclass(frozen=True)
class Case:
    """A function and its events."""

    app: str
    handler: str
    events: Callable[[], Iterator[Mapping[str, Any]]]


def _growth(process: LambdaProcess, case: Case, invocations: int) -> dict[str, float]:
    resident: list[float] = []
    for event in islice(case.events(), invocations):
        invocation = process.invoke(event)
        assert invocation.answer.get("statusCode", 0) < HTTPStatus.INTERNAL_SERVER_ERROR, (event, invocation.answer)
        assert not invocation.answer.get("batchItemFailures"), (event, invocation.answer)
        resident.append(invocation.resident_kb)
    warm, sample = int(invocations * WARM_UP), int(invocations * _SAMPLE)
    after_warm_up, end = median(resident[warm : warm + sample]), median(resident[-sample:])
    return {
        "first_kb": round(resident[0]),
        "warm_kb": round(after_warm_up),
        "end_kb": round(end),
        "most_kb": round(max(resident)),
        "grown_kb": round(end - after_warm_up),
    }


def _requests() -> Iterator[Mapping[str, Any]]:
    """Yield commands, polls and invalid requests with new ids, and now and then a batch or a wait."""
    for turn in cycle(range(60)):
        some_id, job_id = str(uuid.uuid4()), uuid.uuid4().hex
        if turn in _RARE:
            yield _rare(turn, job_id)
            continue
        match turn % 6:
            case 0:
                yield http_event("POST", "/items", _ITEM, {"idempotency-key": some_id})
            case 1:
                yield http_event("PUT", f"/items/{some_id}", {"price": 11.5}, {"if-match": f'"{some_id}"'})
            case 2:
                yield http_event("GET", f"/items/{some_id}", None, {})
            case 3:
                yield http_event("POST", "/items", {"name": some_id}, {})  # 400: the description is missing
            case 4:
                yield http_event("GET", f"/jobs/{some_id}", None, {})  # 404: this is not the form of a job's id
            case _:
                yield http_event("GET", f"/jobs/{job_id}", None, {})


def _rare(turn: int, job_id: str) -> Mapping[str, Any]:
    match _RARE.index(turn):
        case 0:
            commands = [{"operation": "create", "item": {**_ITEM, "name": f"{job_id} {n}"}} for n in range(10)]
            return http_event("POST", "/batches", {"commands": commands}, {"idempotency-key": job_id})
        case 1:  # times out, for a new item each time, which the circuit breaker stores
            return http_event("GET", f"/jobs/{QUEUED}{job_id[len(QUEUED) :]}?wait=1", None, {})
        case _:
            return http_event("POST", "/items", _ITEM, {"prefer": "wait=1"})


def _batches() -> Iterator[Mapping[str, Any]]:
    """Yield batches of every command, of duplicates and of unreadable messages; now and then a batch has ten."""
    for turn in cycle(range(60)):
        yield {"Records": [_record(turn + i) for i in range(10 if turn == 0 else 1)]}


def _record(turn: int) -> dict[str, Any]:
    item_id = str(uuid.uuid4())
    commands: list[Command] = [
        CreateItem(item_id, _ITEM),
        SetFields(item_id, {"price": 11.5}),
        ReadItem(item_id),
        DeleteItem(item_id),
    ]
    command = commands[turn % len(commands)]
    ref = new_job(command, "alice", None, now(), RETENTION).ref
    if turn % 5 == 0:
        ref = JobRef(ENDED + ref.job_id[len(ENDED) :], ref.generation)
    return {
        "messageId": ref.job_id,
        "receiptHandle": ref.job_id,
        # Half of the messages are unreadable and cost one call, so that the run is short.
        "body": seal(QueueMessage(ref, command.item_id, command, "r")).body
        if turn % 12 < 6
        else f"no command: {item_id}",
        "attributes": {"MessageGroupId": item_id, "ApproximateReceiveCount": "1"},
    }


def rows(figures: dict[str, Any]) -> Iterable[tuple[str, ...]]:
    """Yield the header of the table, and then its rows."""
    yield "", "after 10 %, MB", "at the end, MB", "growth, KB"
    for app in (app for app in CASES if app in figures):  # older figures lack one
        each = figures[app]
        yield app, f"{each['warm_kb'] / 1024:.1f}", f"{each['end_kb'] / 1024:.1f}", str(each["grown_kb"])


CASES = {
    "api": Case("api", "app", _requests),
    "worker": Case("worker", "work", _batches),
    "dead-letters": Case("worker", "dead_letters", _batches),
}


def main() -> None:
    for row in rows(measure("--quick" in sys.argv)):
        sys.stdout.write(f"{row[0]:24}" + "".join(f"{cell:>16}" for cell in row[1:]) + "\n")


if __name__ == "__main__":
    main()
