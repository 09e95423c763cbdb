"""`python -m tests.bench.parts.peak_memory`: the most memory of a worker with ten updates of 1 MB in one batch.

The commands are accepted by the API of this checkout. In turns, a new process of each release's worker runs a batch
of them and ends. Its peak includes the interpreter and the imports, as Lambda's Max Memory Used does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from statistics import median
from typing import Any

from tests.bench.laboratory.lambda_process import Foundation, LambdaProcess, open_foundation
from tests.bench.parts.own_code import MESSAGE_ATTRIBUTES
from tests.bench.peers.previous_release import NAME, unpacked_worker
from tests.faults.stage.events import http_event, sqs_record
from tests.helpers.deployed import unique

BATCH = 10
ROUNDS, QUICK_ROUNDS = 3, 1
THIS, BEFORE = "this", "before"
_TEXT_BYTES = 1_000_000


def measure(quick: bool = False) -> dict[str, object]:
    """Return the peak of each release's worker in KB, and the ratio of the two in each round."""
    with open_foundation() as foundation:
        return measure_on(foundation, quick)


def measure_on(foundation: Foundation, quick: bool = False) -> dict[str, object]:
    peaks: dict[str, list[float]] = {THIS: [], BEFORE: []}
    with foundation.running("api", "app") as api:
        with foundation.running("worker", "work") as worker:
            ids = [
                _accept(api, "POST", "/items", {"name": unique("Large"), "description": "d"})["item_id"]
                for _ in range(BATCH)
            ]
            _consume(foundation, worker)
            _update(api, ids, "first")
            _consume(foundation, worker)  # from here on, the documents have 1 MB before an update too
        for number in range(QUICK_ROUNDS if quick else ROUNDS):
            for name in (THIS, BEFORE) if number % 2 else (BEFORE, THIS):
                _update(api, ids, f"{name} {number}")
                code = unpacked_worker() if name == BEFORE else None
                with foundation.running("worker", "work", code=code) as worker:
                    peaks[name].append(_consume(foundation, worker))
    ratios = [round(a / b, 3) for a, b in zip(peaks[THIS], peaks[BEFORE], strict=True)]
    return {
        "batch": BATCH,
        "release": NAME,
        "peak_kb": {name: round(median(each)) for name, each in peaks.items()},
        "ratio": median(ratios),
        "rounds": ratios,
    }


def _update(api: LambdaProcess, ids: list[str], marker: str) -> None:
    for item_id in ids:
        _accept(api, "PUT", f"/items/{item_id}", {"text": marker + "x" * (_TEXT_BYTES - len(marker))})


def _accept(api: LambdaProcess, method: str, target: str, body: Any) -> Any:
    headers = {"content-type": "application/json", "accept": "*/*", "user-agent": "bench", "host": "localhost"}
    answer = api.invoke(http_event(method, target, body, headers)).answer
    assert answer["statusCode"] == 202, answer
    return json.loads(answer["body"])


def _consume(foundation: Foundation, worker: LambdaProcess) -> float:
    """Pass the ten messages to the worker in one batch, and delete them; return the worker's peak in KB."""
    sqs, queue = foundation.sqs, foundation.outputs["CommandsQueueUrl"]
    messages: list[Any] = []
    while len(messages) < BATCH:
        received = sqs.receive_message(
            QueueUrl=queue, MessageSystemAttributeNames=MESSAGE_ATTRIBUTES, MaxNumberOfMessages=BATCH
        )
        messages += received["Messages"]
    invocation = worker.invoke({"Records": [sqs_record(each) for each in messages]})
    assert invocation.answer == {"batchItemFailures": []}, invocation.answer
    for each in messages:
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])
    return invocation.peak_kb


def rows(figures: dict[str, Any]) -> Iterable[tuple[str, ...]]:
    """Yield the header of the table, and then its rows."""
    yield "ten updates of 1 MB in one batch", "this release", "before", "ratio"
    peaks = (f"{figures['peak_kb'][name] / 1024:.1f}" for name in (THIS, BEFORE))
    yield "most memory, MB", *peaks, f"{figures['ratio']:.2f}"


def main() -> None:
    for row in rows(measure("--quick" in sys.argv)):
        sys.stdout.write(f"{row[0]:34}" + "".join(f"{cell:>16}" for cell in row[1:]) + "\n")


if __name__ == "__main__":
    main()
