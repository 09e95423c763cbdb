"""The file of failures gets a name that no other file has, whatever happens while it is written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobpipe_client.cli.importing import failures_file
from jobpipe_client.cli.importing.failures_file import write_failures
from jobpipe_client.cli.importing.journal import Failure, FailuresFile

FORM: Any = SimpleNamespace(failures_header=lambda: "header")
PATH = Path("a.failed.csv")


def failures(text: str, meanwhile: Callable[[], object] = lambda: None) -> Callable[[], Iterator[Failure]]:
    """Return what yields one failure; `meanwhile` is called while the file is being written."""

    def found() -> Iterator[Failure]:
        yield Failure(2, "unreadable", "no", text)
        meanwhile()

    return found


def written(text: str, earlier: FailuresFile | None = None, **more: Any) -> FailuresFile:
    file = write_failures(PATH, FORM, failures(text, **more), earlier)
    assert file is not None
    assert Path(file.path).read_text() == f"header\n{text}\n"
    return file


def names() -> list[str]:
    return sorted(each.name for each in Path().iterdir())


def test_a_file_that_appears_while_it_is_written_stays() -> None:
    file = written("ours", meanwhile=lambda: PATH.write_text("another's"))
    assert names() == ["a.failed-2.csv", "a.failed.csv"]
    assert (Path(file.path).name, PATH.read_text()) == ("a.failed-2.csv", "another's")


def test_what_is_added_while_it_is_written_stays() -> None:
    earlier = written("earlier")
    changed = f"{PATH.read_text()}repaired\n"
    assert Path(written("ours", earlier, meanwhile=lambda: PATH.write_text(changed)).path).name == "a.failed-2.csv"
    assert PATH.read_text() == changed


def test_what_is_saved_at_the_last_moment_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = written("earlier")
    digest_of = failures_file._digest
    saved: list[Path] = []

    def digest_then_save(path: Path) -> str:
        digest = digest_of(path)
        if not saved:
            saved.append(path)
            path.write_text("repaired")
        return digest

    monkeypatch.setattr(failures_file, "_digest", digest_then_save)
    assert Path(written("ours", earlier).path).name == "a.failed-2.csv"
    assert names() == ["a.failed-2.csv", "a.failed.csv"]
    assert PATH.read_text() == "repaired"


def test_the_earlier_file_is_replaced() -> None:
    earlier = written("earlier")
    assert Path(written("ours", earlier).path).name == "a.failed.csv"
    assert names() == ["a.failed.csv"]


def test_imports_that_end_at_the_same_moment_have_a_file_each() -> None:
    together = threading.Barrier(8)
    found: list[FailuresFile] = []

    def end(number: int) -> None:
        found.append(written(f"rows of {number}", meanwhile=together.wait))

    threads = [threading.Thread(target=end, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len({file.path for file in found}) == 8
    assert len(names()) == 8
