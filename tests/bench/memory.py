"""`python -m tests.bench.memory`: does a Lambda that lives long grow? 10,000 invocations of each, of all kinds.

The handlers of the real zips run in processes, on the stand-in: what it answers is the same for the last invocation
as for the first, where an emulator would slow down with what it has to keep. After each invocation a process tells
what it holds (resident memory); the growth is from after the warm-up to the end.
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
from jobpipe.domain.commands import Command, CreateItem, DeleteItem, ReadItem, SetFields
from jobpipe.domain.job import new_job
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.queue_message import QueueMessage, seal
from tests.bench.lambda_process import Foundation, LambdaProcess, open_foundation
from tests.bench.stand_in import ENDED, WAITING, running_stand_in
from tests.faults.events import http_event
from tests.helpers.memory import RETENTION

TARGET_KB = 1024
INVOCATIONS, QUICK_INVOCATIONS = 10_000, 1_000
WARM_UP = 0.1  # of the invocations
_SAMPLE = 0.02  # of the invocations, whose median is taken at either end
_WAIT = "0.02"  # MAX_WAIT_SECONDS: as many waits as invocations are to be, and no longer than that takes
_RARE = (17, 37, 57)  # of 60 turns
_ITEM = {"name": "Tent", "description": "For two", "price": 12.95}


def measure(quick: bool = False) -> dict[str, object]:
    """For each Lambda what it held after the warm-up and at the end, in KB, and the difference."""
    with open_foundation() as foundation:
        return measure_on(foundation, quick)


def measure_on(foundation: Foundation, quick: bool = False) -> dict[str, object]:
    invocations = QUICK_INVOCATIONS if quick else INVOCATIONS
    with running_stand_in({}) as url, ExitStack() as stack, ThreadPoolExecutor(len(CASES)) as threads:
        running = [
            stack.enter_context(foundation.running(case.app, case.handler, url, MAX_WAIT_SECONDS=_WAIT))
            for case in CASES.values()
        ]
        grown = threads.map(lambda case, each: _grow(each, case, invocations), CASES.values(), running)
        figures = dict(zip(CASES, grown, strict=True))
    return {"target_kb": TARGET_KB, "invocations": invocations, **figures}


@dataclass(frozen=True)
class Case:
    """One function, and what it is handed."""

    app: str
    handler: str
    events: Callable[[], Iterator[Mapping[str, Any]]]


def _grow(process: LambdaProcess, case: Case, invocations: int) -> dict[str, float]:
    held: list[float] = []
    for event in islice(case.events(), invocations):
        done = process.invoke(event)
        assert done.answer.get("statusCode", 0) < HTTPStatus.INTERNAL_SERVER_ERROR, (event, done.answer)
        assert not done.answer.get("batchItemFailures"), (event, done.answer)
        held.append(done.resident_kb)
    warm, sample = int(invocations * WARM_UP), int(invocations * _SAMPLE)
    after, end = median(held[warm : warm + sample]), median(held[-sample:])
    return {
        "first_kb": round(held[0]),
        "warm_kb": round(after),
        "end_kb": round(end),
        "most_kb": round(max(held)),
        "grown_kb": round(end - after),
    }


def _requests() -> Iterator[Mapping[str, Any]]:
    """Commands, polls and what is refused, each with ids of its own; now and then a batch, or a wait."""
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
                yield http_event("POST", "/items", {"name": some_id}, {})  # 400: it has no description
            case 4:
                yield http_event("GET", f"/jobs/{some_id}", None, {})  # 404: no job has such an id
            case _:
                yield http_event("GET", f"/jobs/{job_id}", None, {})


def _rare(turn: int, job_id: str) -> Mapping[str, Any]:
    match _RARE.index(turn):
        case 0:
            commands = [{"operation": "create", "item": {**_ITEM, "name": f"{job_id} {n}"}} for n in range(10)]
            return http_event("POST", "/batches", {"commands": commands}, {"idempotency-key": job_id})
        case 1:  # in vain, each of another item: it is all that the breaker has to remember
            return http_event("GET", f"/jobs/{WAITING}{job_id[len(WAITING) :]}?wait=1", None, {})
        case _:
            return http_event("POST", "/items", _ITEM, {"prefer": "wait=1"})


def _batches() -> Iterator[Mapping[str, Any]]:
    """Every command, duplicates and what is no command; now and then ten at once."""
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
        # Half of them cost one call, so that ten thousand take no longer than they need.
        "body": seal(QueueMessage.of(ref, command, "r")).body if turn % 12 < 6 else f"no command: {item_id}",
        "attributes": {"MessageGroupId": item_id, "ApproximateReceiveCount": "1"},
    }


def rows(figures: dict[str, Any]) -> Iterable[tuple[str, ...]]:
    """A table: megabytes after the warm-up and at the end, and the growth in kilobytes."""
    yield "", "after 10 %, MB", "at the end, MB", "grown, KB"
    for app in (app for app in CASES if app in figures):  # older figures have two
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
