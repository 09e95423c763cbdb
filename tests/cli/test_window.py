"""How many batches an import has under way."""

from __future__ import annotations

import pytest

from jobpipe_client.cli.importing.sender import Window


def test_the_window_grows_up_to_the_limit_while_batches_are_quick() -> None:
    window = Window(6, 10)
    assert window.size == 4
    for _ in range(5):
        window.remove_batch(0, 1)
    assert window.size == 6


def test_the_window_shrinks_to_the_minimum_while_batches_are_slow() -> None:
    window = Window(16, 10, size=6)
    for _ in range(5):
        window.remove_batch(0, 60)
    assert window.size == 4
    window.remove_batch(0, 8)
    assert window.size == 4


@pytest.mark.parametrize("seconds", [0.1, 100])
def test_the_window_is_never_larger_than_the_concurrency(seconds: float) -> None:
    window = Window(1, 10)
    window.remove_batch(0, seconds)
    assert window.size == 1


def test_ended_rows_make_room_for_a_batch() -> None:
    window = Window(16, 10)
    for _ in range(4):
        assert window.has_room(10)
        window.add_batch(10)
    assert not window.has_room(10)
    window.rows -= 10
    assert window.has_room(10)


def test_a_batch_larger_than_the_window_is_sent_alone() -> None:
    assert Window(1, 1).has_room(5)


def test_there_are_never_more_batches_than_threads() -> None:
    window = Window(2, 10)
    for _ in range(2):
        window.add_batch(10)
        window.rows -= 10
    assert not window.has_room(10)
    window.remove_batch(0, 5)
    assert window.has_room(10)
