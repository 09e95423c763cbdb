"""`make simulate` also measures runs on an emulator, and compares them with the simulation: docs/scaling.md."""

from __future__ import annotations

import platform
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, quantiles
from typing import Any

from rich.console import Console

from infra.cli.command_line import run
from infra.cli.progress import Progress
from infra.deployment.plan import Deployer
from infra.errors import OperatorError
from infra.settings import LOCAL_STAGE
from jobpipe_client import Job
from scripts.load.plan import Plan
from scripts.models.scaling.assumptions import Service, constant, unlimited
from scripts.models.scaling.job_by_job import JobByJob
from scripts.models.scaling.scenario import Outcome, Scenario
from scripts.models.scaling.tables import read_figures, write_figures
from tests.helpers.deployed import Stage
from tests.helpers.embedded import embedded

_ITEMS, _RATE, _SECONDS = 150, 20.0, 10.0
_FULL = 10  # messages in a full batch
_SENDERS = 4
_TIMEOUT = 120  # seconds for a run
_SHARE = 0.5  # the open loop may need this share of the emulator's process; with more, it would measure the machine
_BUSIEST = 0.9  # accepting jobs may take this share of the process in the prediction


@dataclass(frozen=True, slots=True)
class Times:
    """Measured seconds of one operation."""

    accept: float  # a POST while nothing else runs
    alone: float  # from created_at to updated_at of a job on an idle stage
    one: float  # between the ends of two batches of one command
    full: float  # between the ends of two batches of ten


def main() -> None:
    """Add the measured and predicted runs to the figures, and write the page."""
    write_figures({**read_figures(), "emulator": check(seed=1)})


def check(seed: int) -> dict[str, Any]:
    """Measure the service times and two runs on an emulator, and predict both runs."""
    with _test_stage() as stage:
        before = _calibrate(stage)
        filled = _filled_run(stage, _ITEMS)
        create = before["create"]
        rate = max(1.0, min(_RATE, _SHARE // (create.accept + create.one)))
        steady = _open_loop(stage, rate, _SECONDS, seed)
        after = _calibrate(stage)
    times = {name: _average(each, after[name]) for name, each in before.items()}  # the speed of a machine varies
    scenario = Scenario(0, 0, 600, filled=_ITEMS, items=_ITEMS, polls=0)  # all creates precede the first update
    creates, updates = (_predict(scenario, times[name]) for name in ("create", "update"))
    half = creates.last_end - (creates.first_end or 0.0)
    predicted = _predict(Scenario(rate, _SECONDS, 600, polls=0, seed=seed), times["create"], rate)
    filled_title = f"{2 * _ITEMS} jobs on {_ITEMS} items, filled beforehand"
    steady_title = f"{rate:.0f} jobs/s for {_SECONDS:.0f} s"
    return {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "times": {name: asdict(each) for name, each in times.items()},
        "runs": {
            f"{filled_title}: half of them done": _compared(half, _percentile(filled, 50)),
            f"{filled_title}: all done": _compared(half + updates.last_end, max(filled)),
            **{
                f"{steady_title}: p{percent} end to end": _compared(
                    predicted.latencies.percentile(percent), _percentile(steady, percent)
                )
                for percent in (50, 99)
            },
        },
    }


# --- prediction -------------------------------------------------------------------------------------------------


def _predict(scenario: Scenario, times: Times, rate: float = 0.0) -> Outcome:
    """Simulate MiniStack: one batch at a time in one process, which also accepts `rate` jobs a second."""
    each = (times.full - times.one) / (_FULL - 1)
    slowdown = 1 / (1 - min(_BUSIEST, rate * times.accept))
    service = Service(
        accept=constant(max(0.0, times.alone - times.one)),
        invoke=constant(max(0.0, times.one - each) * slowdown),
        command=constant(each * slowdown),
    )
    limits = replace(unlimited(), pollers_first=1, pollers_maximum=1, worker_concurrency=1)
    return JobByJob(scenario, limits, service, threads=1, whole_groups=False).run()


def _average(one: Times, other: Times) -> Times:
    return Times(*(mean((getattr(one, name), getattr(other, name))) for name in Times.__slots__))


def _percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def _compared(predicted: float, measured: float) -> dict[str, float]:
    return {"predicted": predicted, "measured": measured, "error": predicted / measured - 1}


# --- real runs --------------------------------------------------------------------------------------------------


class _TestStage:
    """A stage on an emulator whose worker can be stopped."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._lambdas = stage.aws("lambda")
        found = self._lambdas.list_event_source_mappings(FunctionName=stage.resources["worker_function"])
        self._mapping = found["EventSourceMappings"][0]["UUID"]

    def create(self, _: object = None) -> Job:
        """Create an item with a new name."""
        item = {"name": f"scaling {uuid.uuid4().hex}", "description": "A job of the check"}
        return self._stage.client.create(item)

    def update(self, item_id: str) -> Job:
        return self._stage.client.update(item_id, {"price": 1.5})

    def drain(self, fill: Callable[[], list[Job]], batch: int = _FULL) -> list[Job]:
        """Stop the worker while `fill` sends commands, and return the jobs in the order of their ends."""
        self._lambdas.update_event_source_mapping(UUID=self._mapping, Enabled=False, BatchSize=batch)
        jobs = fill()
        self._lambdas.update_event_source_mapping(UUID=self._mapping, Enabled=True)
        return self.ended(jobs)

    def ended(self, jobs: list[Job]) -> list[Job]:
        """Wait for the jobs, and return them in the order of their ends."""
        deadline = time.monotonic() + _TIMEOUT
        for job in reversed(jobs):  # begin with the last, so that few requests disturb the run
            while not self._stage.client.job(job.id).done:
                if time.monotonic() > deadline:
                    raise OperatorError(f"job {job.id} of the check did not end in {_TIMEOUT} s")
                time.sleep(0.5)
        ends = [self._stage.client.job(job.id) for job in jobs]
        failed = [job.id for job in ends if not job.succeeded]
        if failed:
            raise OperatorError(f"{len(failed)} jobs of the check did not succeed; the first is {failed[0]}")
        return sorted(ends, key=lambda job: job.updated_at)


@contextmanager
def _test_stage() -> Iterator[_TestStage]:
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as (target, settings):
        quiet = Progress(Console(quiet=True))
        stage = _TestStage(Stage(Deployer(target, LOCAL_STAGE, settings, quiet, {"Events": "off"}).deploy()))
        stage.ended([stage.create() for _ in range(5)])  # both functions are warm after these
        yield stage


def _calibrate(stage: _TestStage) -> dict[str, Times]:
    """Measure creates and updates, in batches of one and of ten."""
    accepts: list[float] = []

    def create() -> Job:
        began = time.perf_counter()
        job = stage.create()
        accepts.append(time.perf_counter() - began)
        return job

    alone = [stage.ended([stage.create()])[0] for _ in range(10)]
    ones = stage.drain(lambda: [create() for _ in range(20)], batch=1)
    tens = stage.drain(lambda: [create() for _ in range(100)])
    items = [job.item_id for job in (*ones, *tens)]
    updates_alone = [stage.ended([stage.update(item_id)])[0] for item_id in items[:10]]
    update_ones = stage.drain(lambda: [stage.update(item_id) for item_id in items[:20]], batch=1)
    update_tens = stage.drain(lambda: [stage.update(item_id) for item_id in items[20:]])

    def times(alone: list[Job], ones: list[Job], tens: list[Job]) -> Times:
        return Times(mean(accepts), mean(map(_seconds, alone)), _interval(ones, 1), _interval(tens, _FULL))

    return {"create": times(alone, ones, tens), "update": times(updates_alone, update_ones, update_tens)}


def _filled_run(stage: _TestStage, items: int) -> list[float]:
    """Create and update each item while the worker is stopped; return the seconds from the first end to each end.

    The start of the worker is not known exactly: the emulator notices a changed mapping within a second.
    """

    def fill() -> list[Job]:
        with ThreadPoolExecutor(_SENDERS) as senders:
            created = list(senders.map(stage.create, range(items)))
            return created + list(senders.map(stage.update, [job.item_id for job in created]))

    jobs = stage.drain(fill)
    return [(job.updated_at - jobs[0].updated_at).total_seconds() for job in jobs]


def _open_loop(stage: _TestStage, rate: float, seconds: float, seed: int) -> list[float]:
    """Create items at random times, however long the answers take; return the seconds of each job."""
    plan = Plan(rate, seconds, poisson=True, seed=seed)
    began = time.perf_counter()

    def send(due: float) -> Job:
        time.sleep(max(0.0, began + due - time.perf_counter()))
        return stage.create()

    with ThreadPoolExecutor(4 * _SENDERS) as senders:
        return [_seconds(job) for job in stage.ended(list(senders.map(send, plan.arrivals())))]


def _seconds(job: Job) -> float:
    return (job.updated_at - job.created_at).total_seconds()


def _interval(jobs: list[Job], batch: int) -> float:
    """Return the mean seconds between the ends of two batches."""
    ends = [mean(job.updated_at.timestamp() for job in jobs[i : i + batch]) for i in range(0, len(jobs), batch)]
    return (ends[-1] - ends[0]) / (len(ends) - 1)


if __name__ == "__main__":
    sys.exit(run("emulator check", main))
