"""`python -m tests.bench.parts.full_batches`: calls and times of a batch of ten, and those of the release before.

Both workers run from their zips and call one emulator. Each round runs a batch of each operation by each of them.
"""

from __future__ import annotations

import sys
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import Command, CreateItem, DeleteItem, ReadItem, SetFields
from jobpipe.domain.jobs.job import new_job
from jobpipe.domain.jobs.queue_message import QueueMessage, seal
from jobpipe.stores.dynamodb_rows import job_to_row
from tests.bench.laboratory.lambda_process import Foundation, Invocation, LambdaProcess, open_foundation
from tests.bench.laboratory.rounds import in_rounds
from tests.bench.peers.previous_release import NAME, unpacked_worker
from tests.helpers.memory import RETENTION

BATCH = 10
ROUNDS, QUICK_ROUNDS, WARM_UP = 12, 3, 2
OPERATIONS = ("create", "update", "read", "delete")
THIS, BEFORE = "this", "before"
_TEXT = "x" * 850  # with the other fields, a document of just under 1 KB
_FIELDS = ("calls", "total_ms", "waiting_ms")


@dataclass
class _Worker:
    """A release's worker, the items that it has created, and its invocations."""

    process: LambdaProcess
    invocations: dict[str, list[Invocation]] = field(default_factory=lambda: defaultdict(list))


def measure(quick: bool = False) -> dict[str, object]:
    """Return the calls per job and the milliseconds of each operation's batches."""
    with open_foundation() as foundation:
        return measure_on(foundation, quick)


def measure_on(foundation: Foundation, quick: bool = False) -> dict[str, object]:
    dynamodb = foundation.target.client("dynamodb")
    table = foundation.outputs["JobsTable"]

    def deliver(command: Command) -> dict[str, Any]:
        """Put a queued job; return its message as Lambda passes it to the worker."""
        job = new_job(command, "alice", None, now(), RETENTION)
        dynamodb.put_item(TableName=table, Item=job_to_row(job))
        return {
            "messageId": job.job_id,
            "receiptHandle": job.job_id,
            "body": seal(QueueMessage.of(job, command, "r")).body,
            "attributes": {"MessageGroupId": job.item_id, "ApproximateReceiveCount": "1"},
        }

    with (
        foundation.running("worker", "work") as this,
        foundation.running("worker", "work", code=unpacked_worker()) as before,
    ):
        workers = {THIS: _Worker(this), BEFORE: _Worker(before)}
        for number in range(WARM_UP + (QUICK_ROUNDS if quick else ROUNDS)):
            if number == WARM_UP:
                for worker in workers.values():
                    worker.invocations.clear()
            for worker in workers.values() if number % 2 else list(workers.values())[::-1]:
                _round(worker, deliver)
    return {
        "batch": BATCH,
        "release": NAME,
        **{name: _figures(worker.invocations) for name, worker in workers.items()},
    }


def _round(worker: _Worker, deliver: Callable[[Command], dict[str, Any]]) -> None:
    """Create ten items, and update, read and delete them, in a batch each."""
    ids = [str(uuid.uuid4()) for _ in range(BATCH)]
    commands: dict[str, Callable[[str], Command]] = {
        "create": lambda item_id: CreateItem(item_id, {"name": item_id, "description": _TEXT, "price": 12.95}),
        "update": lambda item_id: SetFields(item_id, {"price": 11.5}),
        "read": ReadItem,
        "delete": DeleteItem,
    }
    for operation in OPERATIONS:
        records = [deliver(commands[operation](item_id)) for item_id in ids]
        invocation = worker.process.invoke({"Records": records})
        assert invocation.answer == {"batchItemFailures": []}, invocation.answer
        worker.invocations[operation].append(invocation)


def _figures(by_operation: dict[str, list[Invocation]]) -> dict[str, Any]:
    return {
        operation: {
            **{name: round(median(getattr(each, name) for each in found), 2) for name in _FIELDS},
            "calls_per_job": _calls_per_job(found),
            "rounds": [_calls_per_job(some) for some in in_rounds(found)],
            "n": len(found),
        }
        for operation, found in by_operation.items()
    }


def _calls_per_job(invocations: Sequence[Invocation]) -> float:
    return median(each.calls for each in invocations) / BATCH


def rows(figures: dict[str, Any]) -> Iterable[tuple[str, ...]]:
    """Yield the header of the table, and then its rows."""
    yield "a batch of ten", "calls per job", "before", "ms", "of it calls", "own code", "ms before"
    for operation in OPERATIONS:
        this, before = (figures[name][operation] for name in (THIS, BEFORE))
        yield (
            operation,
            *(f"{each['calls_per_job']:.1f}" for each in (this, before)),
            *(f"{this[name]:.1f}" for name in ("total_ms", "waiting_ms")),
            f"{1 - this['waiting_ms'] / this['total_ms']:.0%}",
            f"{before['total_ms']:.1f}",
        )


def main() -> None:
    for row in rows(measure("--quick" in sys.argv)):
        sys.stdout.write(f"{row[0]:16}" + "".join(f"{cell:>16}" for cell in row[1:]) + "\n")


if __name__ == "__main__":
    main()
