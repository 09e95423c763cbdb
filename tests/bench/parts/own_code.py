"""`python -m tests.bench.parts.own_code`: the time of jobpipe's code in an invocation, compared with its AWS calls.

The handlers of the real zips run in processes and call an emulator. Each round sends every request and processes
its message, so that load on the machine affects all operations alike.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tests.bench.laboratory.lambda_process import Foundation, Invocation, LambdaProcess, open_foundation
from tests.bench.laboratory.rounds import in_rounds
from tests.faults.stage.events import http_event, sqs_record
from tests.helpers.deployed import unique

TARGET = 0.10
ROUNDS, QUICK_ROUNDS, WARM_UP = 60, 15, 10
MESSAGE_ATTRIBUTES = ["MessageGroupId", "ApproximateReceiveCount", "SentTimestamp"]
_DOCUMENT = {"description": "For two", "price": 12.95, "tags": ["light", "green"], "stock": 7}


@dataclass
class Bench:
    """Both Lambdas on one foundation, and their invocations."""

    foundation: Foundation
    api: LambdaProcess
    worker: LambdaProcess
    invocations: dict[tuple[str, str], list[Invocation]] = field(default_factory=lambda: defaultdict(list))

    def round(self) -> None:
        """Perform every operation once. At the end the item is deleted."""
        created = self._accept("create", "POST", "/items", {"name": unique("Tent"), **_DOCUMENT})
        item = f"/items/{created['item_id']}"
        self._accept("update", "PUT", item, {"price": 11.5})
        self._accept("read", "POST", "/jobs", {"operation": "read", "item_id": created["item_id"]})
        self._request("get_item", "GET", item)
        self._accept("delete", "DELETE", item)
        self._request("poll", "GET", f"/jobs/{created['id']}")

    def _accept(self, operation: str, method: str, target: str, body: Any = None) -> Any:
        job = self._request(f"accept_{operation}", method, target, body)
        self._process(operation)
        return job

    def _request(self, name: str, method: str, target: str, body: Any = None) -> Any:
        headers = {"content-type": "application/json", "accept": "*/*", "user-agent": "bench", "host": "localhost"}
        invocation = self.api.invoke(http_event(method, target, body, headers))
        assert invocation.answer["statusCode"] < 300, invocation.answer
        self.invocations["api", name].append(invocation)
        return json.loads(invocation.answer["body"])

    def _process(self, operation: str) -> None:
        """Receive the one message, pass it to the worker, and delete it, as an event source mapping does."""
        sqs, queue = self.foundation.sqs, self.foundation.outputs["CommandsQueueUrl"]
        received = sqs.receive_message(QueueUrl=queue, MessageSystemAttributeNames=MESSAGE_ATTRIBUTES)
        (message,) = received["Messages"]
        invocation = self.worker.invoke({"Records": [sqs_record(message)]})
        assert invocation.answer == {"batchItemFailures": []}, invocation.answer
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        self.invocations["worker", operation].append(invocation)


def measure(quick: bool = False) -> dict[str, object]:
    """Return the median times of each operation, and the ratio of jobpipe's code to AWS calls."""
    with open_foundation() as foundation:
        return measure_on(foundation, quick)


def measure_on(foundation: Foundation, quick: bool = False) -> dict[str, object]:
    with foundation.running("api", "app") as api, foundation.running("worker", "work") as worker:
        bench = Bench(foundation, api, worker)
        for _ in range(WARM_UP):
            bench.round()
        bench.invocations.clear()
        for _ in range(QUICK_ROUNDS if quick else ROUNDS):
            bench.round()
    figures: dict[str, Any] = {"target": TARGET, "api": {}, "worker": {}}
    for (app, operation), invocations in bench.invocations.items():
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


def _own_to_aws(invocations: Sequence[Invocation]) -> float:
    own, aws = median(each.own_ms for each in invocations), median(each.aws_ms for each in invocations)
    return round(own / aws, 3)


def rows(figures: dict[str, Any]) -> Iterable[tuple[str, ...]]:
    """Yield the header of the table, and then its rows."""
    yield "", "total ms", "own ms", "AWS calls ms", "own / AWS"
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
