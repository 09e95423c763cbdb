"""Unit tests do no I/O."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobpipe.runtime.metrics import meter
from tests.helpers.fake_time import FakeTime, installed
from tests.helpers.pipeline import Pipeline
from tests.helpers.stubbed import Stubbed


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline()


@pytest.fixture
def clock() -> Iterator[FakeTime]:
    with pytest.MonkeyPatch.context() as patch:
        yield installed(patch)


@pytest.fixture
def stubbed() -> Iterator[Stubbed]:
    """Adapters on stubbed clients, which must use all stubbed answers."""
    stubbed = Stubbed()
    yield stubbed
    for stub in stubbed.stubs.values():
        stub.deactivate()
        stub.assert_no_pending_responses()


@pytest.fixture
def no_earlier_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    """Drop what other tests have counted."""
    meter.write()
    capsys.readouterr()
