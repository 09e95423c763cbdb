"""The simulation against real runs: told how long the emulator's batches take, does it predict a run?"""

from __future__ import annotations

import platform
import random
from dataclasses import dataclass, replace
from statistics import quantiles
from typing import Any

from scripts.models.scaling.assumptions import Limits, unlimited
from scripts.models.scaling.emulator_run import FULL, Times, calibrate, laboratory, open_loop, prefilled
from scripts.models.scaling.outcome import Outcome
from scripts.models.scaling.plain import Plain
from scripts.models.scaling.scenario import Scenario

ITEMS, RATE, SECONDS = 150, 20.0, 10.0
_CALM = 0.5  # share of the emulator's one process that the open loop may ask for, or it measures the machine


@dataclass(frozen=True, slots=True)
class Emulated:
    """What was measured of the emulator, as a service; nothing is drawn."""

    head: float  # from the job's row until the worker begins, on an idle stage
    overhead: float  # of a batch
    each: float  # command
    slowed: float = 1.0  # by the requests that the same process answers meanwhile

    def accept(self, rng: random.Random) -> float:
        del rng
        return self.head

    def poll(self, rng: random.Random) -> float:
        del rng
        return 0.0

    def invoke(self, rng: random.Random) -> float:
        del rng
        return self.overhead * self.slowed

    def command(self, rng: random.Random) -> float:
        del rng
        return self.each * self.slowed

    def again(self, rng: random.Random) -> float:
        del rng
        return 0.0

    def interrupted(self, rng: random.Random) -> float:
        del rng
        return 0.0

    throttled = interrupted


def emulator_limits() -> Limits:
    """MiniStack: one batch of a FIFO queue at a time, and no quotas."""
    return replace(unlimited(), pollers_first=1, pollers_maximum=1, worker_concurrency=1)


def emulated(times: Times, rate: float = 0.0) -> Emulated:
    """The service of such commands, while `rate` requests a second come."""
    each = (times.full - times.one) / (FULL - 1)
    busy = min(0.9, rate * times.accept)  # share of the one process that is taken by accepting
    return Emulated(max(0.0, times.alone - times.one), max(0.0, times.one - each), each, 1 / (1 - busy))


def predict(scenario: Scenario, service: Emulated) -> Outcome:
    """The run as it should be."""
    # What a batch does goes through one process: its items are one after the other there.
    return Plain(scenario, emulator_limits(), service, threads=1, whole_groups=False).run()


def check(seed: int) -> dict[str, Any]:
    """Calibration, both runs, and what was predicted for each."""
    with laboratory() as lab:
        before = calibrate(lab)
        drained = prefilled(lab, ITEMS)
        create = before["create"]
        rate = max(1.0, min(RATE, _CALM // (create.accept + create.one)))
        opened = open_loop(lab, rate, SECONDS, seed)
        after = calibrate(lab)
    times = {name: mean_of(each, after[name]) for name, each in before.items()}
    filled = Scenario(0, 0, 600, filled=ITEMS, items=ITEMS, polls=0)  # all creates come before the first update
    creates, updates = (predict(filled, emulated(times[name])) for name in ("create", "update"))
    half = creates.last_end - (creates.first_end or 0.0)
    through = predict(Scenario(rate, SECONDS, 600, polls=0, seed=seed), emulated(times["create"], rate))
    filled_before = f"{2 * ITEMS} jobs on {ITEMS} items, filled beforehand"
    loop = f"{rate:.0f} jobs/s for {SECONDS:.0f} s"
    return {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "times": {name: {part: getattr(each, part) for part in Times.__slots__} for name, each in times.items()},
        "runs": {
            f"{filled_before}: half of them done": _pair(half, _p(drained, 50)),
            f"{filled_before}: all done": _pair(half + updates.last_end, max(drained)),
            f"{loop}: p50 end to end": _pair(through.latencies.percentile(50), _p(opened, 50)),
            f"{loop}: p99 end to end": _pair(through.latencies.percentile(99), _p(opened, 99)),
        },
    }


def mean_of(one: Times, other: Times) -> Times:
    """Measured before and after, since a machine is not always as fast."""
    return Times(*((getattr(one, name) + getattr(other, name)) / 2 for name in Times.__slots__))


def _p(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def _pair(predicted: float, measured: float) -> dict[str, float]:
    return {"predicted": predicted, "measured": measured, "error": predicted / measured - 1}
