"""`python -m tests.bench.parts.batches [--quick]`: the rate of accepting batches, compared with single commands.

One caller uses one connection to a stage whose worker is off. Single commands and batches alternate, so that load
on the machine affects all of them alike. The stage is used for nothing else: with each message, MiniStack goes
through the ids of all messages that its queue took within five minutes, and a batch sends a hundred of them.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import requests

from infra.stage.stage_file import Deployment
from tests.bench.laboratory.open_stage import open_stage
from tests.bench.laboratory.rounds import in_rounds
from tests.helpers.deployed import Stage

TARGETS = {10: 5.0, 100: 30.0}
"""The ratio of the rate of commands in batches to that of single commands."""


def measure(quick: bool) -> dict[str, object]:
    """Return the milliseconds for each command, alone and in batches, and the ratios of the medians."""
    with open_stage() as stage:
        return _measure_in(stage, quick)


def _measure_in(stage: Stage, quick: bool) -> dict[str, object]:
    rounds = 3 if quick else 15
    times: dict[int, list[float]] = {size: [] for size in (1, *TARGETS)}
    turn_off_worker(stage)
    caller = _Caller(stage.deployment)
    for size in times:
        caller.accept(size)  # warms the Lambda and opens the connection
    for _ in range(rounds):
        times[1] += [caller.accept(1) for _ in range(10)]
        for size in TARGETS:
            times[size].append(caller.accept(size) / size)
    medians = {size: statistics.median(each) for size, each in times.items()}
    return {
        "per_command_ms": {str(size): _percentiles(each) for size, each in times.items()},
        "ratio": {str(size): medians[1] / medians[size] for size in TARGETS},
        "rounds": {str(size): _by_round(times[1], times[size]) for size in TARGETS},
        "targets": {str(size): target for size, target in TARGETS.items()},
    }


def _by_round(single: Sequence[float], batched: Sequence[float]) -> list[float]:
    pairs = zip(in_rounds(single), in_rounds(batched), strict=True)
    return [round(statistics.median(one) / statistics.median(many), 2) for one, many in pairs]


def rows(figures: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the header of the table, and then its rows."""
    yield "commands in a request", "ms for each command (p50)", "rate / alone"
    for size, each in figures["per_command_ms"].items():
        ratio = figures["ratio"].get(size)
        yield size, f"{each['p50']:.2f}", "" if ratio is None else f"{ratio:.1f}"


def turn_off_worker(stage: Stage) -> None:
    functions = stage.aws("lambda")
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)


class _Caller:
    """A caller that sends creates with unique names."""

    def __init__(self, deployment: Deployment) -> None:
        self._base_url = deployment.base_url
        self._session = requests.Session()
        self._session.headers.update({"x-api-key": deployment.api_key, "Content-Type": "application/json"})

    def accept(self, size: int) -> float:
        """Send one command, or a batch of several; return the milliseconds until it is accepted."""
        items = [{"name": f"Bench {uuid.uuid4()}", "description": "d", "price": 12.95} for _ in range(size)]
        body = items[0] if size == 1 else {"commands": [{"operation": "create", "item": item} for item in items]}
        path, payload = "/items" if size == 1 else "/batches", json.dumps(body)
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        started = time.perf_counter()
        answer = self._session.post(self._base_url + path, payload, headers=headers, timeout=30)
        seconds = time.perf_counter() - started
        is_accepted = answer.status_code == 202 and (size == 1 or answer.json()["counts"]["queued"] == size)
        if not is_accepted:
            raise RuntimeError(f"not accepted: {answer.status_code} {answer.text[:200]}")
        return seconds * 1000


def _percentiles(times: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "n": len(times)}


if __name__ == "__main__":
    found = measure("--quick" in sys.argv[1:])
    for row in rows(found):
        sys.stdout.write(f"{' | '.join(row)}\n")
