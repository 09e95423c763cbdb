"""The targets of the benchmark, and whether they are met.

A ratio is computed within a round, whose parts were measured under the same load of the machine. A target is met or
missed if it is so in every round; if the rounds disagree, it is undecided. The growth of memory and the duration of
the benchmark have only one round.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.ceiling import WORKER_THREADS
from tests.bench.rounds import Row
from tests.bench.waiting import ending_after

_ACCEPT, _DRAIN, _AT_SIZE = 1.2, 0.8, 1.1
_OWN, _TEN, _COLD, _GROWN, _BATCHED, _LAG = 0.1, 2.5, 1.25, 1.0, 5.0, 50.0
_MINUTES = 5.0
MET, MISSED, UNDECIDED = "met", "missed", "undecided"


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
        """Return met or missed if all rounds agree, or else undecided."""
        within = {each <= self.bound if self.at_most else each >= self.bound for each in self.rounds}
        if len(within) > 1:
            return UNDECIDED
        return MET if within == {True} else MISSED


def targets(figures: dict[str, Any]) -> Iterator[Target]:
    """Yield the targets of the parts that were measured."""
    if "pipeline" in figures:
        drain = figures["pipeline"]["jobs_per_second"]["drain"]["rounds"]
        if "ceiling" in figures:
            ceiling = figures["ceiling"]["threads"][str(WORKER_THREADS)]["jobs_per_second"]["rounds"]
            name = f"drain rate / ceiling on {WORKER_THREADS} threads"
            yield Target(name, _by_round(drain, ceiling), _DRAIN, at_most=False)
        if "jobs_per_second" in figures.get("celery_redis", {}):
            celery = figures["celery_redis"]["jobs_per_second"]["rounds"]
            yield Target("drain rate / Celery's", _by_round(drain, celery), 1.0, at_most=False)
        name = "accept / (an empty route + the two AWS calls)"
        yield Target(name, figures["pipeline"]["accept_ratio"]["rounds"], _ACCEPT, at_most=True)
    if "growth" in figures:
        for name, found in figures["growth"]["operations"].items():
            if not found["is_a_bare_call"]:
                size = f"{figures['growth']['items']:,} items / none"
                yield Target(f"{name}: {size}", found["ratio"]["rounds"], _AT_SIZE, at_most=True)
    yield from _of_independent_parts(figures)
    yield from _of_waiting(figures.get("waiting", {}))
    if "seconds" in figures:
        yield Target("`make bench`, minutes", [figures["seconds"] / 60], _MINUTES, at_most=True)


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
        yield Target(f"accept rate in batches of {size} / alone", rounds, _BATCHED, at_most=False)


def _of_waiting(figures: dict[str, Any]) -> Iterator[Target]:
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
    """Yield the rows of the table, the header first."""
    yield "target", "median", "rounds", "bound", "verdict"
    for each in found:
        sign = "≤" if each.at_most else "≥"
        verdict = each.verdict if each.verdict == MET else f"**{each.verdict}**"
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
