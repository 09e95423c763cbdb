"""An emulator of this tier's own: no other test may meet a role that lacks something."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.deployment import Deployer
from infra.emulator.server import running_emulator
from infra.progress import Progress
from infra.settings import LOCAL_STAGE, Settings
from infra.targets import EMBEDDED, find_target
from tests.deployed import Stage
from tests.iam.lab import Lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    state_dir = tmp_path_factory.mktemp("iam")
    with running_emulator(state_dir) as emulator:
        here = Settings(stage=LOCAL_STAGE, port=emulator.port, endpoint_url=None, state_dir=state_dir)
        target = find_target(EMBEDDED, LOCAL_STAGE, here, start=False)
        assert target is not None
        yield Lab(Stage(Deployer(target, LOCAL_STAGE, here, Progress(), {}).up()))
