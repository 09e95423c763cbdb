"""`python -m tests.bench.parts.telling`: the time from a job's end until a receiver is notified of it."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from jobpipe.domain.clock import now
from tests.bench.laboratory.open_stage import open_stage
from tests.bench.laboratory.rounds import in_rounds
from tests.helpers.deployed import Stage, unique
from tests.helpers.receiver import Received, receiver

JOBS, QUICK_JOBS = 200, 9
_LONGEST = 60.0  # seconds until a receiver is notified

Figures = dict[str, Any]


def measure(quick: bool) -> Figures:
    """Measure this part alone."""
    with open_stage() as stage:
        return measure_in(stage, quick)


def measure_in(stage: Stage, quick: bool) -> Figures:
    """Create items one after the other, each when the receiver knows of the one before."""
    from_the_end: list[float] = []
    from_the_request: list[float] = []
    told: dict[str, tuple[datetime, datetime]] = {}  # when a job ended, and when the receiver was notified
    news = threading.Condition()

    def note(request: Received) -> None:
        job = request.event["data"]
        with news:
            told[job["id"]] = datetime.fromisoformat(job["updated_at"]), now()
            news.notify()

    with receiver() as hook:
        hook.before = note
        webhook = stage.client.webhooks.create(hook.url, events=["job.ended"])
        for _ in range(QUICK_JOBS if quick else JOBS):
            sent = now()
            job = stage.client.create({"name": unique("Tent"), "description": "For two"})
            with news:
                if not news.wait_for(partial(told.__contains__, job.id), _LONGEST):
                    raise RuntimeError("the receiver was not notified of a job in time")
            ended, at = told[job.id]
            from_the_end.append((at - ended).total_seconds() * 1000)
            from_the_request.append((at - sent).total_seconds() * 1000)
        stage.client.webhooks.delete(webhook.id)
    return {"from_the_end": _percentiles(from_the_end), "from_the_request": _percentiles(from_the_request)}


def rows(figures: Figures) -> Iterator[tuple[str, ...]]:
    """Yield the header of the table, and then its rows."""
    yield "a receiver is notified, ms", "p50", "p95", "samples"
    for name, label in (("from_the_end", "after the job's end"), ("from_the_request", "after the request")):
        found = figures[name]
        yield label, f"{found['p50']:.0f}", f"{found['p95']:.0f}", str(found["n"])


def _percentiles(values: list[float]) -> Figures:
    rounds = [round(_p95(each), 1) for each in in_rounds(values)]
    return {"p50": statistics.median(values), "p95": _p95(values), "n": len(values), "rounds": rounds}


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


if __name__ == "__main__":
    for row in rows(measure(quick=False)):
        print("  ".join(f"{cell:<24}" if i == 0 else f"{cell:>7}" for i, cell in enumerate(row)))  # noqa: T201
