"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import tenacity

from tests.helpers.deployed import Stage


@tenacity.retry(stop=tenacity.stop_after_delay(20), wait=tenacity.wait_fixed(0.1), reraise=True)
def at_rest(stage: Stage) -> tuple[int, int, int]:
    """Return the counts of stored rows and messages once no message of an earlier test is queued."""
    counts = stage.counts()
    assert counts[2] == 0
    return counts


@pytest.fixture
def untouched(stage: Stage) -> Iterator[None]:
    """Check that the test leaves nothing stored and nothing queued."""
    before = at_rest(stage)
    yield
    assert stage.counts() == before
