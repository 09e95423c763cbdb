"""The environment of the benchmark: an embedded emulator, its stages, and processes."""

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
_COUNTS = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]


@dataclass
class Laboratory:
    """An emulator that all parts of one run share."""

    target: Target
    settings: Settings
    quick: bool
    console: Console
    started: float = field(default_factory=time.perf_counter)
    stages: dict[str, Stage] = field(default_factory=dict)

    @property
    def stage(self) -> Stage:
        """The stage that most parts use."""
        return self.deployed(LOCAL_STAGE)

    def report(self, text: str) -> None:
        """Print a line of progress."""
        self.console.print(f"[dim]{time.perf_counter() - self.started:6.1f} s  {text}[/]")

    def deployed(self, name: str) -> Stage:
        """Return the stage with this name, with warm Lambdas; deploy it if necessary."""
        if name not in self.stages:
            quiet = Progress(Console(quiet=True))
            stage = Stage(Deployer(self.target, name, self.settings, quiet, {"Events": "off"}).deploy())
            stage.client.wait(stage.client.read("warm-up"), timeout=120)
            self.stages[name] = stage
        return self.stages[name]

    def calls(self, stage: Stage, connections: int = 1) -> HttpCalls:
        """Return an HTTP client of a stage."""
        return HttpCalls(stage.deployment.base_url, stage.deployment.api_key, connections)

    def environment(self, stage: Stage, function: str) -> dict[str, str]:
        """Return the environment of a process that calls AWS under the role of a function."""
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
        """Run a process with pipes for the block. `quiet` discards its standard error."""
        errors = subprocess.DEVNULL if quiet else None
        with subprocess.Popen(
            command, env=env, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process:
            try:
                yield process
            finally:
                process.terminate()

    def lambda_python(self) -> str:
        """Return the interpreter that the emulator runs Lambdas with."""
        return str(ensure_venv())

    @contextmanager
    def worker_off(self, stage: Stage) -> Iterator[None]:
        """Turn the worker of a stage off for the block."""
        self.set_worker(stage, running=False)
        try:
            yield
        finally:
            self.set_worker(stage, running=True)

    def set_worker(self, stage: Stage, *, running: bool) -> None:
        """Turn the worker's event source mapping on or off; wait for a batch that is being processed."""
        client = stage.aws("lambda")
        found = client.list_event_source_mappings(FunctionName=stage.resources["worker_function"])
        client.update_event_source_mapping(UUID=found["EventSourceMappings"][0]["UUID"], Enabled=running)
        if not running:
            time.sleep(0.3)

    def message_count(self, stage: Stage) -> int:
        """Return the number of messages that are not deleted yet."""
        url = stage.resources["commands_queue_url"]
        found = stage.aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=_COUNTS)["Attributes"]
        return sum(int(found[name]) for name in _COUNTS)

    def wait_until_drained(self, stage: Stage, seconds: float = 120) -> None:
        """Wait until the stage's queue is empty."""
        tenacity.Retrying(
            wait=tenacity.wait_fixed(0.1),
            stop=tenacity.stop_after_delay(seconds),
            retry=tenacity.retry_if_result(lambda count: count > 0),
        )(self.message_count, stage)

    def rows(self, stage: Stage, table: str) -> Iterator[Any]:
        """Yield every row of a stage's table."""
        pages = stage.aws("dynamodb").get_paginator("scan")
        for page in pages.paginate(TableName=stage.resources[table], ConsistentRead=True):
            yield from page["Items"]


def timestamp(text: str) -> float:
    """Return an RFC 3339 time as seconds since 1970."""
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


_shared: list[Laboratory] = []


@contextmanager
def laboratory(*, quick: bool = False) -> Iterator[Laboratory]:
    """Yield the laboratory of this run if one is open, or else open one for the block."""
    if _shared:
        yield _shared[0]
        return
    console = Console(highlight=False, stderr=True)
    with (
        tempfile.TemporaryDirectory(prefix="jobpipe-bench-") as folder,
        _without_aws_settings(),
        embedded(Path(folder)) as (target, settings),
    ):
        _shared.append(Laboratory(target, settings, quick, console))
        try:
            yield _shared[0]
        finally:
            _shared.clear()


@contextmanager
def _without_aws_settings() -> Iterator[None]:
    """Remove the shell's settings of AWS and jobpipe for the block, so that no real account is used."""
    removed = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(("AWS_", "JOBPIPE_"))}
    try:
        yield
    finally:
        os.environ.update(removed)
