"""Parts that are measured in turns (A B C A B C …), so that load on the machine affects all of them alike."""

from __future__ import annotations

import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar, TypeVar

from tests.bench.laboratory.environment import Laboratory, laboratory

ROUNDS, QUICK_ROUNDS = 3, 1
Figures = dict[str, Any]
Row = tuple[str, ...]
Seconds = defaultdict[str, float]
Sample = TypeVar("Sample")
PERCENTILES = ("p50 ms", "p95 ms", "p99 ms", "samples")


class Part:
    """A part of the benchmark that is measured in rounds."""

    name: ClassVar[str]

    def __init__(self, lab: Laboratory) -> None:
        self.lab = lab

    def prepare(self, stack: ExitStack) -> None:
        """Prepare the part; `stack` closes its resources."""

    def round(self, number: int) -> None:
        """Measure one round."""
        raise NotImplementedError

    def figures(self) -> Figures:
        """Return the figures of all rounds."""
        raise NotImplementedError


def measure_in_turns(
    parts: Sequence[type[Part]], *, quick: bool, spent: Seconds | None = None
) -> dict[str, Figures]:
    """Measure the parts in turns on one emulator; return their figures, and add their seconds to `spent`."""
    spent = defaultdict(float) if spent is None else spent
    with laboratory(quick=quick) as lab, ExitStack() as stack:
        opened = [part(lab) for part in parts]
        for part in opened:
            lab.report(f"prepare {part.name}")
            with timed(spent, part.name):
                part.prepare(stack)
        for number in range(QUICK_ROUNDS if quick else ROUNDS):
            for part in opened:
                lab.report(f"round {number + 1}: {part.name}")
                with timed(spent, part.name):
                    part.round(number)
        return {part.name: part.figures() for part in opened}


@contextmanager
def timed(spent: Seconds, name: str) -> Iterator[None]:
    """Add the seconds of the block."""
    started = time.perf_counter()
    try:
        yield
    finally:
        spent[name] += time.perf_counter() - started


def in_rounds(samples: Sequence[Sample]) -> list[Sequence[Sample]]:
    """Divide consecutive samples into rounds, in each of which a target must be met."""
    size = max(1, len(samples) // ROUNDS)
    starts = range(0, min(len(samples), ROUNDS * size), size)
    return [samples[start : start + size] for start in starts]


def median(rounds: Sequence[float]) -> dict[str, Any]:
    """Return the median of the rounds, and the rounds."""
    return {"median": round(statistics.median(rounds), 2), "rounds": [round(each, 2) for each in rounds]}


def percentiles(found: Figures) -> Row:
    """Return the cells for the columns PERCENTILES."""
    return (*(f"{found[name]:.1f}" if name in found else "" for name in ("p50", "p95", "p99")), str(found["n"]))


def print_figures(measure: Callable[..., Figures]) -> None:
    """Measure a part alone and print its figures as JSON (`python -m tests.bench.parts.PART`)."""
    print(json.dumps(measure(quick=False), indent=2))  # noqa: T201
