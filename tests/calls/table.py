"""The counted calls as a table: tests/calls/calls.json, which `make calls` rewrites and a test holds true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tenacity

from tests.calls import (  # noqa: F401  # they add themselves, in this order
    api_operations,
    dead_letter_operations,
    worker_operations,
)
from tests.calls.lab import FUNCTIONS, Lab, Side
from tests.calls.operations import OPERATIONS

TABLE = Path(__file__).with_name("calls.json")
TOLERANCE = 0.1
"""Bytes depend a little on the digits of times, and are not what the table is for."""

_ABOUT = (
    "Made by `make calls`. One operation of each kind, counted at proxies between the Lambdas and an emulator: "
    "HTTP requests to AWS, DynamoDB's units by the sizes of the rows, SQS's requests by 64 KB, bytes of messages, "
    "of request bodies, of the answer's body, and of the function's own log lines."
)
_SIZES = ("message_bytes", "request_bytes", "answer_bytes", "log_bytes")


@dataclass(frozen=True)
class Entry:
    """What one operation costs one Lambda."""

    calls: dict[str, int]
    write_units: float
    read_units: float
    sqs_requests: int
    message_bytes: int
    request_bytes: int
    answer_bytes: int
    log_bytes: int
    log_lines: int
    jobs: int


Entries = dict[str, dict[str, Entry]]  # by side and operation


def measure(lab: Lab) -> Entries:
    """All of them, in their order: the first ones find little else in the tables."""
    found: Entries = {side: {} for side in FUNCTIONS}
    for side, name in OPERATIONS:
        found[side][name] = measure_one(lab, side, name)
    return found


# On a machine so busy that all tries of a call time out, an answer is a 503 and nothing can be counted.
@tenacity.retry(
    retry=tenacity.retry_if_exception_type(AssertionError), stop=tenacity.stop_after_attempt(5), reraise=True
)
def measure_one(lab: Lab, side: Side, name: str) -> Entry:
    """Prepared uncounted, then counted; what it queued is dropped."""
    operation = OPERATIONS[side, name]
    lab.empty_queue()
    act = operation.prepare(lab)
    lines = len(lab.logged(side))
    with lab.meters[side].counting() as counts, ExitStack() as stack:
        others = [stack.enter_context(meter.counting()) for other, meter in lab.meters.items() if other != side]
        answer = act()
    assert not any(other.calls for other in others), "the other Lambdas have nothing to do with it"
    logged = lab.logged(side)[lines:]
    lab.empty_queue()
    return Entry(
        calls=dict(counts.calls),
        write_units=counts.write_units,
        read_units=counts.read_units,
        sqs_requests=counts.sqs_requests,
        message_bytes=counts.message_bytes,
        request_bytes=counts.request_bytes,
        answer_bytes=0 if answer is None else len(answer.content),
        log_bytes=sum(len(line.encode()) for line in logged),
        log_lines=len(logged),
        jobs=operation.jobs,
    )


def read_table() -> Entries:
    """As it was written last."""
    document = json.loads(TABLE.read_text())
    return {side: {name: Entry(**entry) for name, entry in document.get(side, {}).items()} for side in FUNCTIONS}


def write_table(entries: Entries) -> None:
    """Sizes that are within the tolerance stay as they stood, so that the file changes only if something did."""
    before = read_table() if TABLE.exists() else {}
    document: dict[str, Any] = {"about": _ABOUT}
    for side, named in entries.items():
        document[side] = {}
        for name, entry in named.items():
            old = before.get(side, {}).get(name)
            document[side][name] = asdict(entry if old is None or list(differences(old, entry)) else old)
    TABLE.write_text(json.dumps(document, indent=1) + "\n")


def differences(said: Entry, found: Entry) -> Iterator[str]:
    """What the table says otherwise."""
    for name, value in asdict(found).items():
        old = getattr(said, name)
        if abs(value - old) > TOLERANCE * old if name in _SIZES else value != old:
            yield f"{name}: {value}, not {old}"
