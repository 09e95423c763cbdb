"""What the integration tests share beside the stage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import tenacity

from tests.helpers.deployed import Stage


@tenacity.retry(stop=tenacity.stop_after_delay(20), wait=tenacity.wait_fixed(0.1), reraise=True)
def at_rest(stage: Stage) -> tuple[int, int, int]:
    """What is stored, when no earlier test's message is on the queue any more."""
    counts = stage.counts()
    assert counts[2] == 0
    return counts


@pytest.fixture
def untouched(stage: Stage) -> Iterator[None]:
    """Nothing stored and nothing queued in the end."""
    before = at_rest(stage)
    yield
    assert stage.counts() == before
