"""Schedules in several processes, each with its own emulator."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from typing import TypeVar

from tests.faults.schedules.schedule import Runner

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Report:
    """The result of a task."""

    possible: int
    run: int
    unclean: int  # runs whose requests without a 202 left something for the repair
    failures: list[str]


def run_in_processes(
    run: Callable[[_Task], _Result], tasks: Iterable[_Task], processes: int | None
) -> Iterator[_Result]:
    """Run the tasks in processes; yield the results in the order of their completion."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as executor:
        for future in as_completed([executor.submit(run, task) for task in tasks]):
            yield future.result()


@cache
def process_runner() -> Runner:
    """Return the runner of this process, which runs until the process ends."""
    runner = Runner()
    stack = ExitStack()
    stack.enter_context(runner.running())
    atexit.register(stack.close)
    return runner
