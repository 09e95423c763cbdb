"""The tests of events share a stage with others, on which an owner can have ten webhooks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers.deployed import Stage


@pytest.fixture(autouse=True)
def no_webhook_is_left(stage: Stage) -> Iterator[None]:
    """Require that each test deletes the webhooks that it has created."""
    before = list(stage.client.webhooks.list())
    yield
    assert list(stage.client.webhooks.list()) == before
