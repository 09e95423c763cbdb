"""The Lambdas of the real zips in processes, which get events as from AWS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from infra.cli.progress import Progress
from infra.packaging.package import package_all
from infra.settings import BUILD_DIR, LOCAL_STAGE
from infra.stacks.change_sets import Stacks
from infra.stage.names import foundation_stack
from infra.targets.target import Target
from infra.templates.sources import foundation_template
from tests.helpers.embedded import embedded

WORKER_TIMEOUT = "30"  # as on AWS; an emulator's 5 s would shorten the timeouts of calls
_CHILD = Path(__file__).with_name("lambda_child.py")
CREDENTIALS = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}
_SETTINGS = {
    "JOBS_TABLE": "JobsTable",
    "ITEMS_TABLE": "ItemsTable",
    "NAMES_TABLE": "NamesTable",
    "COLLECTIONS_TABLE": "CollectionsTable",
    "LOOKUPS_TABLE": "LookupsTable",
    "DOCUMENTS_BUCKET": "DocumentsBucket",
    "COMMANDS_QUEUE_URL": "CommandsQueueUrl",
    "PARKED_QUEUE_URL": "ParkedQueueUrl",
}


@dataclass(frozen=True)
class Invocation:
    """The answer of a handler, its times and its memory."""

    answer: Any
    total_ms: float
    aws_ms: float  # inside botocore's client calls; parallel calls are added up
    waiting_ms: float  # while at least one call was under way
    calls: int
    resident_kb: float  # of the process, after its answer
    peak_kb: float  # of the process, since its start

    @property
    def own_ms(self) -> float:
        return self.total_ms - self.aws_ms


@dataclass(frozen=True)
class LambdaProcess:
    """A running Lambda."""

    process: subprocess.Popen[str]

    def invoke(self, event: Mapping[str, Any]) -> Invocation:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(event) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the Lambda ended with {self.process.wait()}")
        return Invocation(**json.loads(line))


@dataclass(frozen=True)
class Foundation:
    """The tables, queues and bucket of a stage without Lambdas, on an emulator."""

    target: Target
    outputs: Mapping[str, str]
    folder: Path  # for the files of the processes
    sqs: Any

    def settings(self, app: str, endpoint_url: str | None = None) -> dict[str, str]:
        """Return the environment variables of an app, with AWS at the URL, by default the emulator's."""
        return {
            **CREDENTIALS,
            **{name: self.outputs[output] for name, output in _SETTINGS.items()},
            "AWS_ENDPOINT_URL": endpoint_url or str(self.target.endpoint_url),
            "WORKER_TIMEOUT": WORKER_TIMEOUT,
            "STAGE": LOCAL_STAGE,
            "SERVICE_NAME": f"jobpipe-{app}",
        }

    def unpacked(self, app: str) -> Path:
        """Return the folder with the contents of an app's zip."""
        folder = self.folder / app
        if not folder.exists():
            with zipfile.ZipFile(package_all()[app].zip_path) as archive:
                archive.extractall(folder)
        return folder

    @contextmanager
    def running(
        self, app: str, handler: str, endpoint_url: str | None = None, code: Path | None = None, **more: str
    ) -> Iterator[LambdaProcess]:
        """Run a handler of an app's zip in a process, with AWS at the URL, by default the emulator's.

        `code` is the folder of another zip's contents. `more` are further environment variables. The first process
        of an app must be started before the others, because it unpacks the zip.
        """
        environment = {
            "PATH": os.defpath,
            **self.settings(app, endpoint_url),
            "PYTHONPATH": str(
                code or self.unpacked(app)
            ),  # the zip's packages take precedence over the installed ones
            "PYTHONUNBUFFERED": "1",
            "BENCH_LOG": str(self.folder / f"{app}.log"),
            **more,
        }
        process = subprocess.Popen(
            [sys.executable, str(_CHILD), handler],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield LambdaProcess(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=30)


@contextmanager
def open_foundation() -> Iterator[Foundation]:
    """Deploy a foundation to a separate emulator for the block."""
    # The folder is in build/, which is not a tmpfs, because the emulator's data may be large.
    BUILD_DIR.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD_DIR, prefix="bench-") as name:
        folder = Path(name)
        with embedded(folder / "emulator") as (target, _):
            quiet = Progress(Console(quiet=True))
            stacks = Stacks(target.client("cloudformation"), quiet, target.poll_seconds)
            template, defaults = foundation_template(LOCAL_STAGE), target.default_parameters(LOCAL_STAGE)
            stack = stacks.deploy(foundation_stack(LOCAL_STAGE), template, {"Stage": LOCAL_STAGE}, defaults)
            yield Foundation(target, stack.outputs, folder, target.client("sqs"))
