"""Schedules dealt out to processes that each have an emulator of their own."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from typing import TypeVar

from tests.faults.schedules import Runner

_Task = TypeVar("_Task")


@dataclass(frozen=True)
class Report:
    """What became of a task."""

    possible: int
    run: int
    unclean: int  # in which a request that was never answered 202 left something for the repair
    failures: list[str]


def deal(run: Callable[[_Task], Report], tasks: Iterable[_Task], processes: int | None) -> Iterator[Report]:
    """In the order in which they are done."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as executor:
        for future in as_completed([executor.submit(run, task) for task in tasks]):
            yield future.result()


@cache
def process_runner() -> Runner:
    """The one of this process, running until the process ends."""
    runner = Runner()
    until_the_end = ExitStack()
    until_the_end.enter_context(runner.running())
    atexit.register(until_the_end.close)
    return runner
