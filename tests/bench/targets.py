"""What the figures should be, and whether they are. Medians, all of one run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.bench.ceiling import WORKERS_OWN
from tests.bench.growth import SCAN
from tests.bench.rounds import Row

_ACCEPT, _DRAIN, _AT_SIZE = 1.2, 0.8, 1.1
_SHORT = ("POST, accepted", "PUT, accepted", "GET an item", "GET a job (a poll)")
_WHOLE = ("POST, Prefer: wait", "PUT, Prefer: wait")


@dataclass(frozen=True)
class Target:
    """One figure and its bound."""

    name: str
    figure: float
    bound: float
    at_most: bool

    @property
    def met(self) -> bool:
        return self.figure <= self.bound if self.at_most else self.figure >= self.bound


def targets(figures: dict[str, Any]) -> Iterator[Target]:
    """Those whose parts were measured."""
    if "pipeline" in figures:
        rates = figures["pipeline"]["jobs_per_second"]
        drain = rates["drain"]["median"]
        if "ceiling" in figures:
            ceiling = figures["ceiling"]["threads"][str(WORKERS_OWN)]["jobs_per_second"]["median"]
            name = f"drain rate / ceiling on {WORKERS_OWN} threads"
            yield Target(name, drain / ceiling, _DRAIN, at_most=False)
        if "jobs_per_second" in figures.get("celery_redis", {}):
            celery = figures["celery_redis"]["jobs_per_second"]["median"]
            yield Target("drain rate / Celery's", drain / celery, 1.0, at_most=False)
        ratio = figures["pipeline"]["accept_ratio"]["median"]
        yield Target("accept / (an empty route + the two AWS calls)", ratio, _ACCEPT, at_most=True)
    if "growth" in figures:
        operations = figures["growth"]["operations"]
        size = f"{figures['growth']['items']:,} items / none"
        for name in (*_SHORT, *_WHOLE, "GET a page of 50"):
            yield Target(f"{name}: {size}", operations[name]["ratio"], _AT_SIZE, at_most=True)
        own = figures["growth"]["page_without_its_scan"]
        name = f"GET a page of 50 without its one Scan ({SCAN}): {size}"
        yield Target(name, own["large_ms"] / own["empty_ms"], _AT_SIZE, at_most=True)


def rows(found: list[Target]) -> Iterator[Row]:
    """Header and lines."""
    yield "target", "figure", "bound", ""
    for each in found:
        sign, verdict = "≤" if each.at_most else "≥", "met" if each.met else "**missed**"
        yield each.name, f"{each.figure:.2f}", f"{sign} {each.bound:g}", verdict
