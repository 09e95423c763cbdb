"""Pairs of faults: a first one, and one at a later call."""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.schedules.kinds import Fault, Place
from tests.faults.schedules.processes import Report, process_runner
from tests.faults.schedules.schedule import describe


@dataclass(frozen=True)
class Task:
    """A first fault, and the seed that selects among the second ones."""

    scenario: str
    first: Fault
    seed: int
    share: float = 1.0  # of the second faults
    most: int | None = None  # of them

    def chance(self) -> random.Random:
        # Not hash(), which differs between processes.
        return random.Random(zlib.crc32(f"{self.seed} {self.scenario} {self.first}".encode()))


@dataclass(frozen=True)
class Pair:
    """A scenario with two faults."""

    scenario: str
    faults: tuple[Fault, Fault]


@dataclass(frozen=True)
class Found:
    """The pairs with one first fault, of which the seed has selected one for each second place."""

    report: Report  # of the run with the first fault only
    pairs: dict[tuple[Place, Place], Pair]


def run_pairs(task: Task) -> Report:
    """Run the pairs of a task."""
    pairs = [Pair(task.scenario, faults) for faults in process_runner().seconds(task.scenario, task.first)]
    number = round(len(pairs) * task.share)
    chosen = task.chance().sample(pairs, number if task.most is None else min(number, task.most))
    return _report(len(pairs), pairs if len(chosen) == len(pairs) else chosen)


def run_these(pairs: Sequence[Pair]) -> Report:
    """Run these pairs."""
    return _report(len(pairs), pairs)


def find_pairs(task: Task) -> Found:
    """Run the scenario with the first fault only, and return the pairs."""
    run = process_runner().run(task.scenario, [task.first])
    points, failures = run.points, [describe(task.scenario, [task.first], run)] if run.failure else []
    first = points[task.first.call - 1].place(task.first.kind)
    seconds = [Fault(point.number, kind) for point in points[task.first.call :] for kind in point.kinds]
    in_random_order = task.chance().sample(seconds, len(seconds))
    places = ((points[second.call - 1].place(second.kind), second) for second in in_random_order)
    return Found(
        report=Report(possible=1, run=1, unclean=not run.clean and not run.failure, failures=failures),
        pairs={(first, place): Pair(task.scenario, (task.first, second)) for place, second in places},
    )


def _report(possible: int, pairs: Sequence[Pair]) -> Report:
    runner = process_runner()
    runs = [(pair, runner.run(pair.scenario, pair.faults)) for pair in pairs]
    return Report(
        possible=possible,
        run=len(runs),
        unclean=sum(not run.clean and not run.failure for _, run in runs),
        failures=[describe(pair.scenario, pair.faults, run) for pair, run in runs if run.failure],
    )
