"""The emulator of these tests. No other test uses it, since these tests remove grants from the roles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from infra.cli.progress import Progress
from infra.deployment.plan import Deployer
from infra.settings import LOCAL_STAGE
from tests.helpers.deployed import Stage
from tests.helpers.embedded import embedded
from tests.helpers.shop import SHOP
from tests.iam.lab import BUS, MACHINES, Lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with embedded(tmp_path_factory.mktemp("iam")) as (target, settings):
        shop = replace(settings, collections=SHOP)
        parameters = {"EventBus": BUS, "TaskTokens": MACHINES}
        yield Lab(Stage(Deployer(target, LOCAL_STAGE, shop, Progress(), parameters).deploy()))
