"""The bar of an import on a terminal: the time left, and notes above it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobpipe_client.cli.importing.journal import Progress
from jobpipe_client.cli.importing.report import BarText
from jobpipe_client.cli.output.output import Output
from tests.cli.conftest import Jobpipe
from tests.cli.running import on_a_terminal
from tests.client.service import Service

CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def test_a_note_is_a_line_of_its_own(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("name,description,price\n" + "".join(f"A{n},d,{n}\n" for n in range(30)))
    shown = on_a_terminal(service, {"COLUMNS": "150"}, "import", str(path))
    lines = CONTROL.sub("", shown).replace("\r", "\n").splitlines()
    assert [line.startswith("read as text: price") for line in lines if "read as text" in line] == [True]
    assert "left" not in shown, "after so short a time nobody knows how much is left"


def test_rows_are_counted_before_their_batch_has_ended(
    jobpipe: Jobpipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"name": "A{n}", "description": "d"}}\n' for n in range(60)))
    seen: list[tuple[int, int]] = []

    @contextmanager
    def recorded(_: Output, progress: Progress, __: int | None) -> Iterator[Callable[[int], None]]:
        yield lambda ended: seen.append((progress.rows, ended))

    monkeypatch.setattr("jobpipe_client.cli.importing.command.progress_bar", recorded)
    jobpipe.does("import", str(path), "--batch-size", "20")
    totals = [rows + ended for rows, ended in seen]
    assert totals == sorted(totals)
    assert (totals[0], seen[-1]) == (1, (60, 0))
    assert set(range(1, 61)) == set(totals), "each row is shown when it ends"


def test_rows_of_open_batches_are_in_the_number_and_the_rate() -> None:
    progress = Progress()
    text = BarText(progress, 10_000, began=0)
    progress.succeeded = 10
    assert text.at(10, 20) == "30 rows, 3 rows/s"


def test_the_time_left_is_shown_when_it_is_known() -> None:
    progress = Progress()
    text = BarText(progress, 10_000, began=0)
    said = [text.at(0)]
    for second in range(2, 22, 2):
        progress.bytes_done += 100
        progress.succeeded += 10
        said.append(text.at(second))
    assert said[:3] == ["0 rows, 0 rows/s", "10 rows, 5 rows/s", "20 rows, 5 rows/s"]
    assert said[-1] == "100 rows, 5 rows/s, about 3 minutes left"
    assert text.at(60) == "100 rows, 2 rows/s", "nothing has ended for long"
    assert "left" not in BarText(progress, None, began=0).at(1), "the size of a pipe is not known"
