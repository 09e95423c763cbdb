"""A stage on a separate emulator, which the parts share that only send requests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from infra.cli.progress import Progress
from infra.deployment.plan import Deployer
from infra.settings import LOCAL_STAGE
from tests.conftest import warm_up
from tests.helpers.deployed import Stage
from tests.helpers.embedded import embedded


@contextmanager
def open_stage() -> Iterator[Stage]:
    """Deploy a stage with warm Lambdas for the block."""
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as (target, settings):
        stage = Stage(Deployer(target, LOCAL_STAGE, settings, Progress(Console(quiet=True)), {}).deploy())
        warm_up(stage)
        yield stage
