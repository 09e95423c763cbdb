"""How long the rest takes, and what is said of an import or a batch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from jobpipe_client.cli.pace import Pace
from jobpipe_client.cli.watching.lines import fits, wrap_parts
from jobpipe_client.cli.watching.sending import Sending


def paced(*steps: tuple[float, float]) -> Pace:
    pace = Pace()
    for at, amount in steps:
        pace.note(at, amount)
    return pace


def test_the_rest_takes_as_long_as_what_was_seen() -> None:
    pace = paced((0, 0), (5, 50), (10, 100))
    assert pace.seconds_for(900, 10) == 90
    assert pace.seconds_for(900, 13) == 87, "three seconds of it have gone by"
    assert pace.seconds_for(0, 10) == 0
    assert pace.per_second(13) == 10


@pytest.mark.parametrize(
    "steps",
    [
        (),
        ((0, 0), (60, 100)),  # one step may be by chance
        ((0, 0), (1, 50), (2, 100)),  # for two seconds
        ((0, 0), (30, 0), (60, 0)),  # nothing has happened
    ],
)
def test_without_enough_steps_nothing_is_said(steps: tuple[tuple[float, float], ...]) -> None:
    at = steps[-1][0] if steps else 0
    assert (paced(*steps).seconds_for(100, at), paced(*steps).per_second(at)) == (None, None)


def test_of_what_stands_still_nothing_is_said() -> None:
    pace = paced((0, 0), (5, 50), (10, 100))
    assert pace.seconds_for(900, 25) is not None
    assert pace.seconds_for(900, 26) is None
    assert paced((0, 0), (5, 50), (10, 100), (20, 100), (26, 100)).per_second(26) is None, "it was looked at again"
    assert paced((0, 0), (20, 50), (40, 100)).seconds_for(900, 90) is not None, "its steps are slow"


def test_only_the_last_minute_counts() -> None:
    steps = [(float(at), float(at)) for at in range(0, 100, 5)]
    faster = [(100.0 + at, 100.0 + 10 * at) for at in range(0, 70, 5)]
    assert paced(*steps, *faster).seconds_for(1000, 165) == pytest.approx(100)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "less than a minute left"),
        (59, "less than a minute left"),
        (61, "about a minute left"),
        (100, "about 2 minutes left"),
        (5000, "about 83 minutes left"),
        (7300, "about 2 hours left"),
        (4_000_000, "about 1,111 hours left"),
    ],
)
def test_the_time_left_is_said_roughly(seconds: float, said: str) -> None:
    sending = Sending("i", "a.csv", "row", ended=1, size=10, failed=0, state="running", seconds_left=seconds)
    assert sending.parts() == ["1 of 10 rows", "none failed", said]


def test_what_is_estimated_or_a_part_or_unknown_says_so() -> None:
    def said(**more: object) -> str:
        values = {"id": "i", "name": "n", "unit": "row", "ended": 1234, "size": 10_000, "failed": 2}
        return ", ".join(Sending(**{**values, "state": "running", **more}).parts())  # type: ignore[arg-type]

    assert said() == "1,234 of 10,000 rows, 2 failed"
    assert said(is_estimate=True) == "1,234 of about 10,000 rows, 2 failed"
    assert said(part=" sent so far") == "1,234 of 10,000 rows sent so far, 2 failed"
    assert said(per_second=26.7) == "1,234 of 10,000 rows, 2 failed, 27 a second"
    assert said(per_second=0.25) == "1,234 of 10,000 rows, 2 failed, 0.2 a second"
    assert said(size=None) == "1,234 rows, 2 failed"
    assert said(size=1, ended=0, unit="command") == "0 of 1 command, 2 failed"
    assert said(refused=5) == "1,234 of 10,000 rows, 2 failed, 5 refused"
    assert said(cancelled=3) == "1,234 of 10,000 rows, 2 failed, 3 cancelled"
    assert said(state="ended", failed=0) == "finished, 1,234 rows, none failed"
    assert said(state="ended", part=" in 2 of its 7 batches") == (
        "1,234 of 10,000 rows in 2 of its 7 batches, 2 failed, finished"
    )
    assert said(state="interrupted") == "1,234 of 10,000 rows, 2 failed, interrupted"


PARTS = st.lists(st.text("abc 漢,1", min_size=1, max_size=30), min_size=1, max_size=6)


@given(st.text("abc漢", max_size=20), PARTS, st.integers(20, 130))
def test_lines_break_between_their_parts_and_keep_all_of_them(label: str, parts: list[str], width: int) -> None:
    lines = wrap_parts(label, parts, width)
    whole = f"{label}: {', '.join(parts)}" if label else ", ".join(parts)
    assert lines[0] + "".join(" " + line.removeprefix("  ") for line in lines[1:]) == whole
    longest = max(map(cell_len, parts))
    for line in lines:
        assert cell_len(line) <= max(width, longest + cell_len(f"{label}: ") + 2)
    if label and cell_len(whole) < width:
        assert fits(label, parts, width)
    assert not (label and cell_len(whole) > width and fits(label, parts, width))
