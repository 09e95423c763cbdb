"""`python -m tests.bench.own_code`: what our own code takes of an invocation, beside the calls of AWS in it.

The handlers of the real zips run in processes, as in Lambda, on an emulator. Each round sends every request and
works off every message that comes of it, so that all operations meet the same noise.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tests.bench.lambda_process import Foundation, Invoked, LambdaProcess, open_foundation
from tests.bench.rounds import in_rounds
from tests.faults.events import http_event, sqs_record
from tests.helpers.deployed import unique

TARGET = 0.10
ROUNDS, QUICK_ROUNDS, WARM_UP = 100, 15, 10
_ATTRIBUTES = ["MessageGroupId", "ApproximateReceiveCount", "SentTimestamp"]
_DOCUMENT = {"description": "For two", "price": 12.95, "tags": ["light", "green"], "stock": 7}


@dataclass
class Bench:
    """Both Lambdas on one foundation, and what each of their invocations took."""

    foundation: Foundation
    api: LambdaProcess
    worker: LambdaProcess
    taken: dict[tuple[str, str], list[Invoked]] = field(default_factory=lambda: defaultdict(list))

    def round(self) -> None:
        """Every operation once, with its poll; the item is gone at the end of it."""
        created = self._accept("create", "POST", "/items", {"name": unique("Tent"), **_DOCUMENT})
        item = f"/items/{created['item_id']}"
        self._accept("update", "PUT", item, {"price": 11.5})
        self._accept("read", "POST", "/jobs", {"operation": "read", "item_id": created["item_id"]})
        self._ask("get_item", "GET", item)
        self._accept("delete", "DELETE", item)
        self._ask("poll", "GET", f"/jobs/{created['id']}")

    def _accept(self, operation: str, method: str, target: str, body: Any = None) -> Any:
        job = self._ask(f"accept_{operation}", method, target, body)
        self._work(operation)
        return job

    def _ask(self, what: str, method: str, target: str, body: Any = None) -> Any:
        headers = {"content-type": "application/json", "accept": "*/*", "user-agent": "bench", "host": "localhost"}
        done = self.api.invoke(http_event(method, target, body, headers))
        assert done.answer["statusCode"] < 300, done.answer
        self.taken["api", what].append(done)
        return json.loads(done.answer["body"])

    def _work(self, operation: str) -> None:
        """The one message that waits, handed over and deleted as an event source mapping does it."""
        sqs, queue = self.foundation.sqs, self.foundation.outputs["CommandsQueueUrl"]
        received = sqs.receive_message(QueueUrl=queue, MessageSystemAttributeNames=_ATTRIBUTES)
        (message,) = received["Messages"]
        done = self.worker.invoke({"Records": [sqs_record(message)]})
        assert done.answer == {"batchItemFailures": []}, done.answer
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        self.taken["worker", operation].append(done)


def measure(quick: bool = False) -> dict[str, object]:
    """Medians in milliseconds by Lambda and operation, and their own time as a share of that in AWS calls."""
    with open_foundation() as foundation:
        return measure_on(foundation, quick)


def measure_on(foundation: Foundation, quick: bool = False) -> dict[str, object]:
    with foundation.running("api", "app") as api, foundation.running("worker", "work") as worker:
        bench = Bench(foundation, api, worker)
        for _ in range(WARM_UP):
            bench.round()
        bench.taken.clear()
        for _ in range(QUICK_ROUNDS if quick else ROUNDS):
            bench.round()
    figures: dict[str, Any] = {"target": TARGET, "api": {}, "worker": {}}
    for (app, operation), invocations in bench.taken.items():
        rounds = [_own_to_aws(some) for some in in_rounds(invocations)]
        figures[app][operation] = {
            "total_ms": round(median(each.total_ms for each in invocations), 3),
            "own_ms": round(median(each.own_ms for each in invocations), 3),
            "aws_ms": round(median(each.aws_ms for each in invocations), 3),
            "own_to_aws": _own_to_aws(invocations),
            "rounds": rounds,
            "calls": median(each.calls for each in invocations),
            "n": len(invocations),
        }
    return figures


def _own_to_aws(invocations: Sequence[Invoked]) -> float:
    own, aws = median(each.own_ms for each in invocations), median(each.aws_ms for each in invocations)
    return round(own / aws, 3)


def rows(figures: dict[str, Any]) -> Iterable[tuple[str, ...]]:
    """A table: operation, milliseconds of it all, of ours, of AWS calls, and ours as a share of those."""
    yield "", "all ms", "own ms", "AWS calls ms", "own / AWS"
    for app in ("api", "worker"):
        for operation, each in figures[app].items():
            yield (
                f"{app} {operation}",
                *(f"{each[name]:.2f}" for name in ("total_ms", "own_ms", "aws_ms")),
                f"{each['own_to_aws']:.1%}",
            )


def main() -> None:
    for row in rows(measure("--quick" in sys.argv)):
        sys.stdout.write(f"{row[0]:24}" + "".join(f"{cell:>14}" for cell in row[1:]) + "\n")


if __name__ == "__main__":
    main()
