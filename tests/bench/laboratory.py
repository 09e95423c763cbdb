"""Where the bench measures: an embedded emulator of its own, stages, and processes that end with it."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import tenacity
from rich.console import Console

from infra.cli.progress import Progress
from infra.deployment.plan import Deployer
from infra.emulator import ensure_venv
from infra.settings import LOCAL_STAGE, Settings
from infra.targets.target import Target
from scripts.load.http_calls import HttpCalls
from tests.helpers.commands import ROOT, clean_environment
from tests.helpers.deployed import Stage
from tests.helpers.embedded import embedded

RETENTION = timedelta(days=7)
_QUEUED = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]


@dataclass
class Laboratory:
    """An emulator for the time of a run. All parts of one run share it."""

    target: Target
    settings: Settings
    quick: bool
    console: Console
    began: float = field(default_factory=time.perf_counter)
    _stages: dict[str, Stage] = field(default_factory=dict)

    @property
    def stage(self) -> Stage:
        """The stage that most is measured on."""
        return self.deployed(LOCAL_STAGE)

    def say(self, what: str) -> None:
        """A line of progress."""
        self.console.print(f"[dim]{time.perf_counter() - self.began:6.1f} s  {what}[/]")

    def deployed(self, name: str) -> Stage:
        """A stage of its own tables, queues and Lambdas on the same emulator, with warm Lambdas."""
        if name not in self._stages:
            quiet = Progress(Console(quiet=True))
            stage = Stage(Deployer(self.target, name, self.settings, quiet, {}).deploy())
            stage.client.wait(stage.client.read("warm-up"), timeout=120)
            self._stages[name] = stage
        return self._stages[name]

    def calls(self, stage: Stage, connections: int = 1) -> HttpCalls:
        """Requests of a caller of a stage."""
        return HttpCalls(stage.deployment.base_url, stage.deployment.api_key, connections)

    def environment(self, stage: Stage, function: str) -> dict[str, str]:
        """AWS for a process under the role of one of the functions: IAM is asked as for the Lambda."""
        settings = stage.aws("lambda").get_function_configuration(FunctionName=stage.resources[function])
        session = stage.aws("sts").assume_role(RoleArn=settings["Role"], RoleSessionName="bench")["Credentials"]
        return clean_environment(
            AWS_ENDPOINT_URL=str(self.target.endpoint_url),
            AWS_DEFAULT_REGION=self.target.region,
            AWS_ACCESS_KEY_ID=session["AccessKeyId"],
            AWS_SECRET_ACCESS_KEY=session["SecretAccessKey"],
            AWS_SESSION_TOKEN=session["SessionToken"],
        )

    @contextmanager
    def process(self, *command: str, env: dict[str, str], quiet: bool = False) -> Iterator[subprocess.Popen[str]]:
        """A process with its ends of two pipes, ended with the block; `quiet` drops what it says of itself."""
        said = subprocess.DEVNULL if quiet else None
        with subprocess.Popen(
            command, env=env, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True
        ) as process:
            try:
                yield process
            finally:
                process.terminate()

    def lambda_python(self) -> str:
        """The interpreter that the emulator runs Lambdas with."""
        return str(ensure_venv())

    @contextmanager
    def paused(self, stage: Stage) -> Iterator[None]:
        """The worker of a stage gets nothing for the time of the block."""
        self.set_worker(stage, running=False)
        try:
            yield
        finally:
            self.set_worker(stage, running=True)

    def set_worker(self, stage: Stage, *, running: bool) -> None:
        """Turns the worker's event source mapping on or off, and waits for the batch that is under way."""
        client = stage.aws("lambda")
        found = client.list_event_source_mappings(FunctionName=stage.resources["worker_function"])
        client.update_event_source_mapping(UUID=found["EventSourceMappings"][0]["UUID"], Enabled=running)
        if not running:
            time.sleep(0.3)

    def waiting(self, stage: Stage) -> int:
        """Messages that are not deleted yet."""
        url = stage.resources["commands_queue_url"]
        found = stage.aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=_QUEUED)["Attributes"]
        return sum(int(found[name]) for name in _QUEUED)

    def drained(self, stage: Stage, seconds: float = 120) -> None:
        """Returns when the stage's queue is empty."""
        tenacity.Retrying(
            wait=tenacity.wait_fixed(0.1),
            stop=tenacity.stop_after_delay(seconds),
            retry=tenacity.retry_if_result(lambda waiting: waiting > 0),
        )(self.waiting, stage)

    def rows(self, stage: Stage, table: str) -> Iterator[Any]:
        """Every row of a stage's table."""
        pages = stage.aws("dynamodb").get_paginator("scan")
        for page in pages.paginate(TableName=stage.resources[table], ConsistentRead=True):
            yield from page["Items"]


def timestamp(text: str) -> float:
    """Seconds since 1970 of an RFC 3339 time of ours."""
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


_shared: list[Laboratory] = []


@contextmanager
def laboratory(*, quick: bool = False) -> Iterator[Laboratory]:
    """The laboratory of this run, if one is open, else one for the time of the block."""
    if _shared:
        yield _shared[0]
        return
    console = Console(highlight=False, stderr=True)
    with (
        tempfile.TemporaryDirectory(prefix="jobpipe-bench-") as folder,
        _no_account(),
        embedded(Path(folder)) as (target, settings),
    ):
        _shared.append(Laboratory(target, settings, quick, console))
        try:
            yield _shared[0]
        finally:
            _shared.clear()


@contextmanager
def _no_account() -> Iterator[None]:
    """Nobody's AWS account or stage, whatever the shell exports."""
    ours = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(("AWS_", "JOBPIPE_"))}
    try:
        yield
    finally:
        os.environ.update(ours)
