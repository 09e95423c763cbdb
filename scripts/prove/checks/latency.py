"""Measures how long single commands take, beside the documented times. The times are not promises."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from infra.settings import ROOT
from scripts.load.report import percentile
from scripts.prove.bench import Bench, Figure
from scripts.prove.callers import ACCEPTED, Json, OutOfTimeError, checked, new_key, stage_time
from scripts.prove.expenses import ACCEPT, JOB
from scripts.prove.findings import Finding, State

_PERFORMANCE, _SCALING = ROOT / "docs" / "performance.json", ROOT / "docs" / "scaling.json"


def run(bench: Bench) -> list[Finding]:
    """Send updates one after the other, and wait for the end of each job."""
    [item_id] = bench.create(1)
    accepts, ends, inside = [], [], []
    for number in range(bench.plan.size.samples):
        bench.remaining_seconds()
        command = {"operation": "update", "item_id": item_id, "set": {"sample": number}}
        bench.shared.pace.wait(bench.shared.stopped)
        began = time.perf_counter()
        answer = bench.writer.ask("POST", "/jobs", command, kind=ACCEPT, key=new_key())
        accepted = checked(answer, ACCEPTED, "a command was not accepted")
        accepts.append(answer.ended - began)
        bench.shared.tally.add(JOB)
        job = bench.writer.wait(str(accepted["id"]), bench.until)
        if not job["done"]:
            raise OutOfTimeError("a job had not ended in time")
        ends.append(time.perf_counter() - began)
        inside.append(took(job))
        bench.note([str(job["id"])])
    performance, scaling = (json.loads(path.read_text()) for path in (_PERFORMANCE, _SCALING))
    bench.figures += figures(accepts, ends, inside, performance, scaling)
    seen = "; ".join(f"{each.what}: p50 {each.p50:.0f} ms, p95 {each.p95:.0f} ms" for each in bench.figures)
    done = f"sent {len(accepts)} updates of one item, each after the end of the previous one"
    return [Finding("how long a command takes", "", done, seen, State.MEASURED)]


def took(job: Json) -> float:
    """Return the seconds from the acceptance of a job to its end, by the stage's clocks."""
    return (stage_time(str(job["updated_at"])) - stage_time(str(job["created_at"]))).total_seconds()


def figures(
    accepts: Sequence[float],
    ends: Sequence[float],
    inside: Sequence[float],
    performance: Mapping[str, Any],
    scaling: Mapping[str, Any],
) -> list[Figure]:
    """Return the percentiles of the times, with the documented percentiles."""
    emulator, ten = performance["pipeline"]["ms"], scaling["rates"]["10"]["steady"]

    def measured(name: str) -> str:
        each = emulator[name]
        return f"p50 {each['p50']:.0f} ms, p95 {each['p95']:.0f} ms on the embedded emulator (docs/performance.md)"

    simulated = f"p50 {ten['p50'] * 1000:.0f} ms, p99 {ten['p99'] * 1000:.0f} ms simulated (docs/scaling.md)"
    applied = measured("accepted to applied, by the job's times")
    return [
        _figure("from the request to its 202", accepts, measured("accept")),
        _figure("from the request until its end is seen", ends, measured("end to end, polled")),
        _figure("from the 202 to the end, by the stage's clocks", inside, f"{applied}; {simulated}"),
    ]


def _figure(what: str, seconds: Sequence[float], documented: str) -> Figure:
    p50, p95 = (percentile(seconds, percent) * 1000 for percent in (50, 95))
    return Figure(what, len(seconds), p50, p95, documented)
