"""A stage of its own for each file that uses it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.stage_with_keys import Run, commands_on_a_stage


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the stage file."""
    return tmp_path_factory.mktemp("stage")


@pytest.fixture(scope="module")
def run(state_dir: Path) -> Iterator[Run]:
    """Return a function that runs `python -m infra.MODULE` on a deployed stage."""
    with commands_on_a_stage(state_dir) as command:
        yield command
