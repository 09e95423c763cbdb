"""Real runs on an embedded emulator of their own: what the simulation is told, and what it is compared with."""

from __future__ import annotations

import random
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

import tenacity
from rich.console import Console

from infra.cli.progress import Progress
from infra.deployment.plan import Deployer
from infra.emulator.server import running_emulator
from infra.errors import OperatorError
from infra.settings import LOCAL_STAGE, Settings
from infra.stage.stage_file import Deployment
from infra.targets.target import EMBEDDED, find_target
from jobpipe_client import Client, Job

FULL = 10
_SENDERS = 4
_PATIENCE = 120  # seconds for a run to end


@dataclass(frozen=True, slots=True)
class Times:
    """Measured seconds."""

    accept: float  # a POST by itself, nothing else going on
    alone: float  # from created_at to updated_at of a job on an idle stage
    one: float  # what a batch of one command takes, from the one before to the next
    full: float  # what a batch of ten takes


@dataclass
class Laboratory:
    """A stage on an emulator, and its event source mapping, which can be held."""

    deployment: Deployment
    lambdas: Any
    _mapping: str = ""
    _local: threading.local = field(default_factory=threading.local)

    def __post_init__(self) -> None:
        name = self.deployment.resources["worker_function"]
        self._mapping = self.lambdas.list_event_source_mappings(FunctionName=name)["EventSourceMappings"][0]["UUID"]

    @property
    def client(self) -> Client:
        """One for each thread."""
        if not hasattr(self._local, "client"):
            self._local.client = Client(self.deployment.base_url, self.deployment.api_key, timeout=30)
        found: Client = self._local.client
        return found

    def create(self, _: object = None) -> Job:
        """One command for an item of its own."""
        return self.client.create({"name": f"scaling {uuid.uuid4().hex}", "description": "A job of the check"})

    def update(self, item_id: str) -> Job:
        return self.client.update(item_id, {"price": 1.5})

    @contextmanager
    def held(self, batch: int = FULL) -> Iterator[None]:
        """The worker receives nothing in the block, and batches of this size from its end on."""
        self.lambdas.update_event_source_mapping(UUID=self._mapping, Enabled=False, BatchSize=batch)
        yield
        self.lambdas.update_event_source_mapping(UUID=self._mapping, Enabled=True)

    def drain(self, fill: Callable[[], list[Job]], batch: int = FULL) -> list[Job]:
        """What waits while the worker is held, and is done when it is let go; in the order of the ends."""
        with self.held(batch):
            jobs = fill()
        return self.ended(jobs)

    def ended(self, jobs: list[Job]) -> list[Job]:
        """The jobs when all have ended, in the order in which they did."""
        for job in reversed(jobs):  # the last first, so that few requests disturb the run
            self._wait(job)
        ends = [self.client.job(job.id) for job in jobs]
        failed = [job.id for job in ends if not job.succeeded]
        if failed:
            raise OperatorError(f"{len(failed)} jobs of the check did not succeed, the first is {failed[0]}")
        return sorted(ends, key=lambda job: job.updated_at)

    def _wait(self, job: Job) -> None:
        retrying = tenacity.Retrying(
            wait=tenacity.wait_fixed(0.5),
            stop=tenacity.stop_after_delay(_PATIENCE),
            retry=tenacity.retry_if_result(lambda there: not there.done),
        )
        try:
            retrying(self.client.job, job.id)
        except tenacity.RetryError:
            raise OperatorError(f"job {job.id} of the check did not end in {_PATIENCE} s") from None


@contextmanager
def laboratory() -> Iterator[Laboratory]:
    """A stage for the time of the block."""
    with tempfile.TemporaryDirectory() as folder, running_emulator(Path(folder)) as emulator:
        settings = Settings(stage=LOCAL_STAGE, port=emulator.port, endpoint_url=None, state_dir=Path(folder))
        target = find_target(EMBEDDED, LOCAL_STAGE, settings, start=False)
        if target is None:
            raise OperatorError("the embedded emulator ended as soon as it was there")
        quiet = Progress(Console(quiet=True))
        lab = Laboratory(Deployer(target, LOCAL_STAGE, settings, quiet, {}).up(), target.client("lambda"))
        lab.ended([lab.create() for _ in range(5)])  # both functions are warm now
        yield lab


def calibrate(lab: Laboratory) -> dict[str, Times]:
    """Of creates and of updates, each in batches of one and of ten."""
    accepts: list[float] = []

    def create() -> Job:
        began = time.perf_counter()
        job = lab.create()
        accepts.append(time.perf_counter() - began)
        return job

    alone = [lab.ended([lab.create()])[0] for _ in range(10)]
    ones = lab.drain(lambda: [create() for _ in range(20)], batch=1)
    tens = lab.drain(lambda: [create() for _ in range(100)])
    items = [job.item_id for job in (*ones, *tens)]
    updates_alone = [lab.ended([lab.update(item_id)])[0] for item_id in items[:10]]
    update_ones = lab.drain(lambda: [lab.update(item_id) for item_id in items[:20]], batch=1)
    update_tens = lab.drain(lambda: [lab.update(item_id) for item_id in items[20:]])
    accept = mean(accepts)
    return {
        "create": Times(accept, _latency(alone), _between(ones, 1), _between(tens, FULL)),
        "update": Times(accept, _latency(updates_alone), _between(update_ones, 1), _between(update_tens, FULL)),
    }


def prefilled(lab: Laboratory, items: int) -> list[float]:
    """Each item created and then updated by commands that wait: seconds from the first job's end to each one's.

    Not from when the worker is let go: the emulator looks at a mapping that was held within a second.
    """

    def fill() -> list[Job]:
        with ThreadPoolExecutor(_SENDERS) as senders:
            created = list(senders.map(lab.create, range(items)))
            return created + list(senders.map(lab.update, [job.item_id for job in created]))

    jobs = lab.drain(fill)
    return [(job.updated_at - jobs[0].updated_at).total_seconds() for job in jobs]


def open_loop(lab: Laboratory, rate: float, seconds: float, seed: int) -> list[float]:
    """Creates at random times, however long they take: seconds from accept to end of each."""
    rng = random.Random(seed)
    at, times = rng.expovariate(rate), []
    while at < seconds:
        times.append(at)
        at += rng.expovariate(rate)
    began = time.perf_counter()

    def send(at: float) -> Job:
        time.sleep(max(0.0, began + at - time.perf_counter()))
        return lab.create()

    with ThreadPoolExecutor(4 * _SENDERS) as senders:
        jobs = list(senders.map(send, times))
    return [_seconds(job) for job in lab.ended(jobs)]


def _seconds(job: Job) -> float:
    return (job.updated_at - job.created_at).total_seconds()


def _latency(jobs: list[Job]) -> float:
    return mean(_seconds(job) for job in jobs)


def _between(jobs: list[Job], batch: int) -> float:
    """From one batch's end to the next one's."""
    ends = [mean(job.updated_at.timestamp() for job in jobs[i : i + batch]) for i in range(0, len(jobs), batch)]
    return (ends[-1] - ends[0]) / (len(ends) - 1)
