"""The targets of the benchmark, and whether they are met.

A ratio is computed within a round, whose parts were measured under the same load of the machine. A target is met or
missed by the median of the rounds, and the verdict says if a round disagrees. The growth of memory and the duration
of the benchmark have only one round.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.laboratory.rounds import Row
from tests.bench.parts.ceiling import WORKER_THREADS
from tests.bench.parts.waiting import ending_after

_ACCEPT, _AT_SIZE, _WAIT = 1.2, 1.1, 1.2
_DRAIN_TO_CEILING, _DRAIN_TO_CELERY = 1.1, 1.7
_OWN, _TEN, _COLD, _GROWN, _LAG, _LAG_OF_ALL = 0.1, 1.15, 1.15, 1.0, 50.0, 45.0
_BATCHED = {"10": 5.0, "100": 30.0}
_CALLS = {"create": 1.2, "update": 1.4, "delete": 0.4, "read": 0.3}
_PEAK = 1.2
_MINUTES = 6.0
_TOLD = 2000.0
_POLITE = 1.5
# Compared with the release before group commit: the name of the target, its bound, and whether that is the most.
_TO_BEFORE = {
    "drain": ("drain rate, 1,000 jobs of 500 items / the release before", 1.6, False),
    "hot_item": ("drain rate, 500 updates of one item / the release before", 6.0, False),
    "gb_seconds": ("GB-seconds of the worker per job, busy load / the release before", 0.5, True),
    "alone": ("one job alone, end to end / the release before", 1.05, True),
    "import": ("`jobpipe import`, rows a second / the release before", 1.8, False),
}
MET, MISSED, NOT_IN_ALL = "met", "missed", "but not in all rounds"


@dataclass(frozen=True)
class Target:
    """A figure of each round, and its bound."""

    name: str
    rounds: Sequence[float]
    bound: float
    at_most: bool

    @property
    def figure(self) -> float:
        return statistics.median(self.rounds)

    @property
    def verdict(self) -> str:
        """Return met or missed, by the median, and whether some rounds say otherwise."""
        verdict = MET if self._is_within(self.figure) else MISSED
        agreed = {self._is_within(each) for each in self.rounds} == {self._is_within(self.figure)}
        return verdict if agreed else f"{verdict}, {NOT_IN_ALL}"

    def _is_within(self, figure: float) -> bool:
        return figure <= self.bound if self.at_most else figure >= self.bound


def targets(figures: dict[str, Any]) -> Iterator[Target]:
    """Yield the targets of the parts that were measured."""
    if "pipeline" in figures:
        drain = figures["pipeline"]["jobs_per_second"]["drain"]["rounds"]
        if "ceiling" in figures:
            ceiling = figures["ceiling"]["threads"][str(WORKER_THREADS)]["jobs_per_second"]["rounds"]
            name = f"drain rate / ceiling on {WORKER_THREADS} threads"
            yield Target(name, _by_round(drain, ceiling), _DRAIN_TO_CEILING, at_most=False)
        if "jobs_per_second" in figures.get("celery_redis", {}):
            celery = figures["celery_redis"]["jobs_per_second"]["rounds"]
            yield Target("drain rate / Celery's", _by_round(drain, celery), _DRAIN_TO_CELERY, at_most=False)
        name = "accept / (an empty route + the two AWS calls)"
        yield Target(name, figures["pipeline"]["accept_ratio"]["rounds"], _ACCEPT, at_most=True)
        if "wait_ratio" in figures["pipeline"]:
            name = "end to end, `Prefer: wait` / polled every 5 ms"
            yield Target(name, figures["pipeline"]["wait_ratio"]["rounds"], _WAIT, at_most=True)
    yield from _of_releases(figures.get("pipeline"), figures.get("compared"))
    if "growth" in figures:
        for name, found in figures["growth"]["operations"].items():
            if not found["is_a_bare_call"]:
                size = f"{figures['growth']['items']:,} items / none"
                yield Target(f"{name}: {size}", found["ratio"]["rounds"], _AT_SIZE, at_most=True)
    yield from _of_full_batches(figures)
    yield from _of_independent_parts(figures)
    yield from _of_waiting(figures.get("waiting", {}))
    yield from _of_callers(figures)
    if "seconds" in figures:
        yield Target("`make bench`, minutes", [figures["seconds"] / 60], _MINUTES, at_most=True)


def _of_callers(figures: dict[str, Any]) -> Iterator[Target]:
    if "telling" in figures:
        lags = _rounds(figures["telling"]["from_the_request"], "p95")
        yield Target(
            "ms from a request until a receiver is notified of its job's end, p95", lags, _TOLD, at_most=True
        )
    if "fairness" in figures:
        name = "a polite caller's job beside a flooding caller / alone, p95"
        yield Target(name, figures["fairness"]["ratio"]["rounds"], _POLITE, at_most=True)


def _of_independent_parts(figures: dict[str, Any]) -> Iterator[Target]:
    for app in ("api", "worker"):
        for operation, each in figures.get("own_code", {}).get(app, {}).items():
            yield Target(
                f"own code / AWS calls: {app} {operation}", _rounds(each, "own_to_aws"), _OWN, at_most=True
            )
    if "parallel" in figures:
        ten = _rounds(figures["parallel"]["stand_in"]["worker"], "ten_to_one")
        yield Target("a batch of ten items / one, calls as long as AWS's", ten, _TEN, at_most=True)
    for name, each in figures.get("cold_start", {}).get("functions", {}).items():
        yield Target(f"cold start / boto3 and its clients: {name}", _rounds(each, "ratio"), _COLD, at_most=True)
    for app, each in figures.get("memory", {}).items():
        if isinstance(each, dict) and "grown_kb" in each:
            grown = each["grown_kb"] / 1024
            yield Target(f"memory, MB grown in 10,000 invocations: {app}", [grown], _GROWN, at_most=True)
    batches = figures.get("batches", {})
    for size, ratio in batches.get("ratio", {}).items():
        rounds = batches.get("rounds", {}).get(size, [ratio])
        yield Target(f"accept rate in batches of {size} / alone", rounds, _BATCHED[size], at_most=False)


def _of_releases(pipeline: dict[str, Any] | None, compared: dict[str, Any] | None) -> Iterator[Target]:
    """Yield the comparison with the release before group commit."""
    if compared is None:
        return
    ratios = {kind: found["rounds"] for kind, found in compared["ratio"].items()}
    if pipeline is not None:
        drain, before = pipeline["jobs_per_second"]["drain"], compared["drain_before"]
        ratios["drain"] = _by_round(drain["rounds"], before["rounds"])
        spent, before = pipeline["gb_seconds_per_1000_jobs"], compared["gb_seconds_per_1000_jobs_before"]
        ratios["gb_seconds"] = _by_round(spent["rounds"], before["rounds"])
    for kind, (name, bound, at_most) in _TO_BEFORE.items():
        if kind in ratios:
            yield Target(name, ratios[kind], bound, at_most)


def _of_full_batches(figures: dict[str, Any]) -> Iterator[Target]:
    if "full_batches" in figures:
        for operation, bound in _CALLS.items():
            calls = figures["full_batches"]["this"][operation]["rounds"]
            yield Target(f"calls per job in a full batch: {operation}", calls, bound, at_most=True)
    if "peak_memory" in figures:
        name = "most memory, ten updates of 1 MB in one batch / the release before"
        yield Target(name, figures["peak_memory"]["rounds"], _PEAK, at_most=True)


def _of_waiting(figures: dict[str, Any]) -> Iterator[Target]:
    if "all_kinds" in figures:
        name = "ms from a job's end to its answer, all kinds of waiting"
        yield Target(name, _rounds(figures["all_kinds"], "p50"), _LAG_OF_ALL, at_most=True)
    for name, lags in figures.get("ordinary", {}).items():
        yield Target(f"ms from a job's end to its answer, {name}", _rounds(lags, "p50"), _LAG, at_most=True)
    for seconds, lags in figures.get("ends_after", {}).items():
        yield Target(
            f"ms from a job's end to its answer, {ending_after(seconds)}", _rounds(lags, "p50"), _LAG, at_most=True
        )


def _rounds(figures: dict[str, Any], whole: str) -> Sequence[float]:
    """Return the figure of each round. Older figures have only one for all rounds."""
    rounds: Sequence[float] = figures.get("rounds", [figures[whole]])
    return rounds


def rows(found: list[Target]) -> Iterator[Row]:
    """Yield the header of the table, and then its rows."""
    yield "target", "median", "rounds", "bound", "verdict"
    for each in found:
        sign = "≤" if each.at_most else "≥"
        verdict = each.verdict if each.verdict.startswith(MET) else f"**{each.verdict}**"
        yield each.name, f"{each.figure:.2f}", _list(each.rounds), f"{sign} {each.bound:g}", verdict


def batch_budget(figures: dict[str, Any]) -> Iterator[Row]:
    """Yield the rows of the table that divides the time of a full batch."""
    ms = figures["pipeline"]["ms"]
    whole = ms["a batch of ten while it drains"]["p50"]
    calls = WORKER_THREADS * 1000 / figures["ceiling"]["in_batches_of_ten"]["median"]
    invocation = ms["an invocation without a message"]["p50"]
    yield "a batch of ten", "ms", "share"
    for name, part in (
        ("from one to the next while it drains (p50)", whole),
        ("its AWS calls, by a bare loop in batches of ten", calls),
        ("an invocation without a message, at most", invocation),
        ("not accounted for", whole - calls - invocation),
    ):
        yield name, f"{part:.0f}", f"{100 * part / whole:.0f} %"


def _by_round(figures: Sequence[float], others: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(figures, others, strict=True)]


def _list(rounds: Sequence[float]) -> str:
    return ", ".join(f"{each:.2f}" for each in rounds)
