"""Tables and a bucket of the contract tests' own: what they leave there no worker would."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.change_sets import Stacks
from infra.emulator.server import running_emulator
from infra.progress import Progress
from infra.settings import LOCAL_STAGE, Settings
from infra.stack_names import foundation_stack
from infra.targets import EMBEDDED, Target, find_target
from infra.templates import foundation_for


@pytest.fixture(scope="session")
def foundation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Target, dict[str, str]]]:
    """An emulator with the foundation stack on it, and the stack's outputs."""
    state_dir: Path = tmp_path_factory.mktemp("contract")
    with running_emulator(state_dir) as emulator:
        here = Settings(stage=LOCAL_STAGE, port=emulator.port, endpoint_url=None, state_dir=state_dir)
        target = find_target(EMBEDDED, LOCAL_STAGE, here, start=False)
        assert target is not None
        stacks = Stacks(target.client("cloudformation"), Progress(), target.poll_seconds)
        template, defaults = foundation_for(LOCAL_STAGE), target.default_parameters(LOCAL_STAGE)
        name = foundation_stack(LOCAL_STAGE)
        yield target, stacks.deploy(name, template, {"Stage": LOCAL_STAGE}, defaults).outputs
