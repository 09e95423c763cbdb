"""`python -m tests.bench.parts.accepting`: the API's time for a batch of commands: AWS calls and own code."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from statistics import median
from typing import Any

from tests.bench.laboratory.lambda_process import Foundation, Invocation, LambdaProcess, open_foundation
from tests.faults.stage.events import http_event
from tests.helpers.deployed import unique

SIZES = (1, 10, 100)
ROUNDS, QUICK_ROUNDS, WARM_UP = 15, 5, 3
_HEADERS = {"content-type": "application/json", "accept": "*/*", "user-agent": "bench", "host": "localhost"}


def measure(quick: bool = False) -> dict[str, object]:
    """Return the milliseconds of an invocation by the number of its commands."""
    with open_foundation() as foundation:
        return measure_on(foundation, quick)


def measure_on(foundation: Foundation, quick: bool = False) -> dict[str, object]:
    found: dict[int, list[Invocation]] = {size: [] for size in SIZES}
    with foundation.running("api", "app") as api:
        for number in range(WARM_UP + (QUICK_ROUNDS if quick else ROUNDS)):
            for size in SIZES:
                invocation = _accept(api, size)
                if number >= WARM_UP:
                    found[size].append(invocation)
    # The other parts on this foundation expect an empty queue.
    foundation.sqs.purge_queue(QueueUrl=foundation.outputs["CommandsQueueUrl"])
    return {
        str(size): {
            "total_ms": round(median(each.total_ms for each in invocations), 2),
            "waiting_ms": round(median(each.waiting_ms for each in invocations), 2),
            "own_ms": round(median(each.total_ms - each.waiting_ms for each in invocations), 2),
            "calls": median(each.calls for each in invocations),
        }
        for size, invocations in found.items()
    }


def _accept(api: LambdaProcess, size: int) -> Invocation:
    items = [{"name": unique("Tent"), "description": "For two", "price": 12.95} for _ in range(size)]
    body: Any = {"commands": [{"operation": "create", "item": item} for item in items]}
    invocation = (
        api.invoke(http_event("POST", "/items", items[0], _HEADERS))
        if size == 1
        else api.invoke(http_event("POST", "/batches", body, _HEADERS))
    )
    assert invocation.answer["statusCode"] == 202, invocation.answer
    answer = json.loads(invocation.answer["body"])
    assert size == 1 or answer["counts"]["queued"] == size, answer
    return invocation


def rows(figures: dict[str, Any]) -> Iterable[tuple[str, ...]]:
    """Yield the header of the table, and then its rows."""
    yield "commands in a request", "the Lambda, ms", "AWS calls under way", "own code", "share of own code", "calls"
    for size, each in figures.items():
        yield (
            size,
            *(f"{each[part]:.2f}" for part in ("total_ms", "waiting_ms", "own_ms")),
            f"{each['own_ms'] / each['total_ms']:.0%}",
            f"{each['calls']:.0f}",
        )


def main() -> None:
    for row in rows(measure("--quick" in sys.argv)):
        sys.stdout.write(f"{row[0]:24}" + "".join(f"{cell:>22}" for cell in row[1:]) + "\n")


if __name__ == "__main__":
    main()
