"""Schedules: each is a scenario and the faults in it. The runner lists and runs them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.faults.checks.state_check import BrokenPromise, check_parked, check_state
from tests.faults.scenarios import Action
from tests.faults.scenarios.all import scenarios
from tests.faults.schedules.call_sites import Site
from tests.faults.schedules.injection import Injector
from tests.faults.schedules.kinds import OFTEN, Fault, Point, earliest
from tests.faults.stage.emulator import open_emulator
from tests.faults.stage.lambdas import Lambdas
from tests.faults.stage.world import Snapshot, World


@dataclass(frozen=True)
class Run:
    """The result of a schedule."""

    points: Sequence[Point]  # every call of the product, in order
    clean: bool  # whether the state is correct without a repair
    failure: str = ""


@dataclass(frozen=True)
class Step:
    """A call site with the one before it, each with its process: what was done last when a fault happens."""

    before: tuple[Site, str] | None
    site: tuple[Site, str]


def steps_of(points: Sequence[Point]) -> list[Step]:
    """Return the step of each call of a run."""
    sites = [(point.site, point.process) for point in points]
    return [Step(before, site) for before, site in zip([None, *sites], sites, strict=False)]


class Runner:
    """Runs schedules in this process, one after the other, each on an empty stage."""

    def __init__(self) -> None:
        emulator = open_emulator()
        self.injector = Injector(emulator)
        self._world = World(emulator, self.injector, Lambdas(emulator, self.injector))
        self._stages: dict[str, tuple[Snapshot, Action]] = {}
        self._calls: dict[str, Sequence[Point]] = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the Lambdas run in the block."""
        state = random.getstate()
        with self._world.emulator.clock.installed(), self._world.lambdas.running():
            yield
        random.setstate(state)

    def run(self, name: str, faults: Sequence[Fault] = ()) -> Run:
        """Run a schedule until all its jobs have ended."""
        world, injector = self._world, self.injector
        snapshot, action = self._prepared(name)
        random.seed(0)  # for the backoffs: the same schedule must make the same calls
        world.begin(snapshot)
        injector.planned, injector.counting = {fault.call: fault.kind for fault in faults}, True
        try:
            action()
            world.settle()
            injector.counting = False
            if injector.injected != list(faults):
                raise BrokenPromise(f"planned faults: {faults}; injected faults: {injector.injected}")
            check_parked(world)
            clean = check_state(world)
            if world.injector.refused_requests:
                raise BrokenPromise(f"requests that DynamoDB would refuse: {world.injector.refused_requests}")
            if world.lambdas.unexpected:
                raise BrokenPromise(f"exceptions that are no outage: {world.lambdas.unexpected}")
        except AssertionError as error:
            return Run(injector.points, clean=False, failure=f"{error}")
        return Run(injector.points, clean)

    def points(self, name: str) -> Sequence[Point]:
        """Return the calls of the scenario without faults."""
        if name not in self._calls:
            self._calls[name] = self.run(name).points
        return self._calls[name]

    def _prepared(self, name: str) -> tuple[Snapshot, Action]:
        if name not in self._stages:
            self._world.begin()
            action = scenarios()[name](self._world)
            self._stages[name] = self._world.snapshot(), action
        return self._stages[name]

    def singles(self, name: str) -> Iterator[Fault]:
        """Yield each kind of fault at each call of the scenario, those with the same effect once."""
        points = self.points(name)
        yield from _distinct((Fault(point.number, kind) for point in points for kind in point.kinds), points)

    def at_new_sites(self, name: str, before: Sequence[str]) -> Iterator[Fault]:
        """Yield each kind of fault at the first call of each call site that the scenarios before do not reach."""
        sites = {(point.site, point.process) for each in before for point in self.points(each)}
        points, new = self.points(name), []
        for point in points:
            if (point.site, point.process) not in sites:
                sites.add((point.site, point.process))
                new.append(point)
        yield from _distinct((Fault(point.number, kind) for point in new for kind in point.kinds), points)

    def essentials(self, name: str, before: Sequence[str], *, at_every_call: bool) -> Iterator[Fault]:
        """Yield the faults that at_new_sites yields, and the kinds of OFTEN at more calls of the scenario.

        These are all calls, or else each call whose site follows another site than it did before.
        """
        steps = {step for each in before for step in steps_of(self.points(each))}
        sites = {step.site for step in steps}
        points, faults = self.points(name), []
        for point, step in zip(points, steps_of(points), strict=True):
            is_new, often = step.site not in sites, at_every_call or step not in steps
            sites.add(step.site)
            steps.add(step)
            faults += [Fault(point.number, kind) for kind in point.kinds if is_new or (often and kind in OFTEN)]
        yield from _distinct(faults, points)

    def seconds(self, name: str, first: Fault) -> Iterator[tuple[Fault, Fault]]:
        """Yield the first fault with each kind of fault at each later call of its run."""
        for point in self.run(name, [first]).points[first.call :]:
            yield from ((first, Fault(point.number, kind)) for kind in point.kinds)


def _distinct(faults: Iterable[Fault], points: Sequence[Point]) -> Iterator[Fault]:
    """Yield the earliest of the faults that have the same effect in a run of these calls."""
    return iter(dict.fromkeys(earliest(fault, points) for fault in faults))


def describe(name: str, faults: Sequence[Fault], run: Run) -> str:
    """Return a failed schedule with its calls, so that it can be run again."""
    lines = [f"{name}, {' and '.join(str(fault) for fault in faults) or 'no fault'}: {run.failure}"]
    marks = {fault.call: f"  <-- {fault.kind}" for fault in faults}
    lines += [
        f"  {point.number:3} {point.process:7} {point.site}{marks.get(point.number, '')}" for point in run.points
    ]
    return "\n".join(lines)
