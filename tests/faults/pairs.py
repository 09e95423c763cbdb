"""Pairs of faults, dealt out to processes that each have an emulator of their own."""

from __future__ import annotations

import atexit
import random
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context

from tests.faults.kinds import Fault
from tests.faults.schedules import Runner, describe


@dataclass(frozen=True)
class Task:
    """One first fault, and how many of the second ones behind it to run: a share, drawn by the seed."""

    scenario: str
    first: Fault
    share: float
    seed: int


@dataclass(frozen=True)
class Report:
    """What became of a task."""

    possible: int
    run: int
    unclean: int  # in which a request that was never answered 202 left something for the repair
    failures: list[str]


def run_tasks(tasks: Iterable[Task], processes: int | None) -> Iterator[Report]:
    """In the order in which they are done."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as executor:
        for future in as_completed([executor.submit(run_task, task) for task in tasks]):
            yield future.result()


def run_task(task: Task) -> Report:
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
        unclean=sum(not run.clean and not run.wrong for _, run in runs),
        failures=[describe(task.scenario, pair, run) for pair, run in runs if run.wrong],
    )


@cache
def process_runner() -> Runner:
    """The one of this process, running until the process ends."""
    runner = Runner()
    until_the_end = ExitStack()
    until_the_end.enter_context(runner.running())
    atexit.register(until_the_end.close)
    return runner
