"""One schedule is one scenario and the faults that happen in it. Enumerates them, and runs one."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.faults.emulator import open_emulator
from tests.faults.injection import Injector
from tests.faults.kinds import AT_EVERY_CALL, Fault, Point
from tests.faults.lambdas import Lambdas
from tests.faults.scenarios import SCENARIOS, Then
from tests.faults.state_check import Wrong, check_parked, check_state
from tests.faults.world import Snapshot, World


@dataclass(frozen=True)
class Run:
    """What became of one schedule."""

    points: Sequence[Point]  # every call of the product, in order
    clean: bool  # whether all is in order without a repair
    wrong: str = ""


class Runner:
    """Runs schedules in this process, one after the other, each on an empty stage."""

    def __init__(self) -> None:
        emulator = open_emulator()
        self.injector = Injector(emulator)
        self._world = World(emulator, self.injector, Lambdas(emulator, self.injector))
        self._stages: dict[str, tuple[Snapshot, Then]] = {}
        self._calls: dict[str, Sequence[Point]] = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        """The Lambdas run only within this."""
        state = random.getstate()
        with self._world.emulator.clock.installed(), self._world.lambdas.running():
            yield
        random.setstate(state)

    def run(self, name: str, faults: Sequence[Fault] = ()) -> Run:
        """One schedule, to the end of all that it started."""
        world, injector = self._world, self.injector
        snapshot, then = self._prepared(name)
        random.seed(0)  # of backoffs, so that the same schedule makes the same calls
        world.begin(snapshot)
        injector.planned, injector.counting = {fault.call: fault.kind for fault in faults}, True
        try:
            then()
            world.settle()
            injector.counting = False
            if injector.injected != list(faults):
                raise Wrong(f"planned {faults}, but happened {injector.injected}")
            check_parked(world)
            clean = check_state(world)
            if world.lambdas.unexpected:
                raise Wrong(f"exceptions that are no outage: {world.lambdas.unexpected}")
        except AssertionError as wrong:
            return Run(injector.points, clean=False, wrong=f"{wrong}")
        return Run(injector.points, clean)

    def _points(self, name: str) -> Sequence[Point]:
        """Of the scenario without faults."""
        if name not in self._calls:
            self._calls[name] = self.run(name).points
        return self._calls[name]

    def _prepared(self, name: str) -> tuple[Snapshot, Then]:
        if name not in self._stages:
            self._world.begin()
            then = SCENARIOS[name](self._world)
            self._stages[name] = self._world.snapshot(), then
        return self._stages[name]

    def singles(self, name: str) -> Iterator[Fault]:
        """Each kind of fault at each call of the scenario."""
        for point in self._points(name):
            yield from (Fault(point.number, kind) for kind in point.kinds)

    def essentials(self, name: str, before: Sequence[str]) -> Iterator[Fault]:
        """Of these the kinds of AT_EVERY_CALL; the others where the scenarios before it do not call from there."""
        tried = {(point.site, point.life) for each in before for point in self._points(each)}
        for point in self._points(name):
            is_new = (point.site, point.life) not in tried
            tried.add((point.site, point.life))
            yield from (Fault(point.number, kind) for kind in point.kinds if is_new or kind in AT_EVERY_CALL)

    def seconds(self, name: str, first: Fault) -> Iterator[tuple[Fault, Fault]]:
        """The first fault, and each kind of fault at each later call of the run that has it."""
        for point in self.run(name, [first]).points[first.call :]:
            yield from ((first, Fault(point.number, kind)) for kind in point.kinds)


def describe(name: str, faults: Sequence[Fault], run: Run) -> str:
    """A failed schedule, as it can be understood and run again."""
    lines = [f"{name}, {' and '.join(str(fault) for fault in faults) or 'no fault'}: {run.wrong}"]
    marks = {fault.call: f"  <-- {fault.kind}" for fault in faults}
    lines += [
        f"  {point.number:3} {point.life:7} {point.site}{marks.get(point.number, '')}" for point in run.points
    ]
    return "\n".join(lines)
