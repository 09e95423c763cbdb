"""Pairs of faults: a first one, and one at a later call."""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass

from tests.faults.kinds import Fault
from tests.faults.processes import Report, process_runner
from tests.faults.schedules import describe


@dataclass(frozen=True)
class Task:
    """A first fault, and the share of second faults to run after it, which the seed selects."""

    scenario: str
    first: Fault
    share: float
    seed: int


def run_pairs(task: Task) -> Report:
    runner = process_runner()
    pairs = list(runner.seconds(task.scenario, task.first))
    chosen = pairs
    if task.share < 1:
        # Not hash(), which differs between processes.
        seed = zlib.crc32(f"{task.seed} {task.scenario} {task.first}".encode())
        chosen = random.Random(seed).sample(pairs, round(len(pairs) * task.share))
    runs = [(pair, runner.run(task.scenario, pair)) for pair in chosen]
    return Report(
        possible=len(pairs),
        run=len(chosen),
        unclean=sum(not run.clean and not run.failure for _, run in runs),
        failures=[describe(task.scenario, pair, run) for pair, run in runs if run.failure],
    )
