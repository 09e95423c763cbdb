"""How many batches an import has under way."""

from __future__ import annotations

import pytest

from jobpipe_client.cli.importing.run import Window


def test_a_quick_service_is_given_more_up_to_the_limit() -> None:
    window = Window(most=6)
    assert window.size == 4
    for _ in range(5):
        window.settled(1)
    assert window.size == 6


def test_a_slow_one_is_given_fewer_but_enough_to_be_busy() -> None:
    window = Window(most=16, size=6)
    for _ in range(5):
        window.settled(60)
    assert window.size == 4
    window.settled(8)
    assert window.size == 4


@pytest.mark.parametrize("seconds", [0.1, 100])
def test_no_more_than_was_asked_for(seconds: float) -> None:
    window = Window(most=1)
    window.settled(seconds)
    assert window.size == 1
