"""Parts that take turns: A B C A B C …, so that whatever else the machine does meets all of them."""

from __future__ import annotations

import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar, TypeVar

from tests.bench.laboratory import Laboratory, laboratory

ROUNDS, QUICK_ROUNDS = 3, 1
Figures = dict[str, Any]
Row = tuple[str, ...]
Seconds = defaultdict[str, float]
Sample = TypeVar("Sample")
PERCENTILES = ("p50 ms", "p95 ms", "p99 ms", "of")


class Part:
    """Something that is measured in rounds."""

    name: ClassVar[str]

    def __init__(self, lab: Laboratory) -> None:
        self.lab = lab

    def prepare(self, stack: ExitStack) -> None:
        """Starts what is needed; `stack` ends it."""

    def round(self, number: int) -> None:
        """Measures once more."""
        raise NotImplementedError

    def figures(self) -> Figures:
        """What was found in all rounds."""
        raise NotImplementedError


def take_turns(parts: Sequence[type[Part]], *, quick: bool, spent: Seconds | None = None) -> dict[str, Figures]:
    """The figures of each part, measured in turns on one emulator; `spent` gets the seconds of each."""
    spent = defaultdict(float) if spent is None else spent
    with laboratory(quick=quick) as lab, ExitStack() as stack:
        opened = [part(lab) for part in parts]
        for part in opened:
            lab.say(f"made ready: {part.name}")
            with timed(spent, part.name):
                part.prepare(stack)
        for number in range(QUICK_ROUNDS if quick else ROUNDS):
            for part in opened:
                lab.say(f"round {number + 1}: {part.name}")
                with timed(spent, part.name):
                    part.round(number)
        return {part.name: part.figures() for part in opened}


@contextmanager
def timed(spent: Seconds, name: str) -> Iterator[None]:
    """Adds the seconds of the block."""
    began = time.perf_counter()
    try:
        yield
    finally:
        spent[name] += time.perf_counter() - began


def in_rounds(samples: Sequence[Sample]) -> list[Sequence[Sample]]:
    """What was measured one after the other, as so many rounds: a target is met if it is in each of them."""
    size = max(1, len(samples) // ROUNDS)
    starts = range(0, min(len(samples), ROUNDS * size), size)
    return [samples[start : start + size] for start in starts]


def median(rounds: Sequence[float]) -> dict[str, Any]:
    """The median of some rounds, and the rounds."""
    return {"median": round(statistics.median(rounds), 2), "rounds": [round(each, 2) for each in rounds]}


def percentiles(found: Figures) -> Row:
    """The cells of PERCENTILES."""
    return (*(f"{found[name]:.1f}" if name in found else "" for name in ("p50", "p95", "p99")), str(found["n"]))


def alone(measure: Callable[..., Figures]) -> None:
    """`python -m tests.bench.PART`: the part by itself, as JSON."""
    print(json.dumps(measure(quick=False), indent=2))  # noqa: T201
