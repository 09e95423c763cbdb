"""The sources of an import: a pipe or a file by any name, and a file that changes while it is read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from jobpipe_client import Client
from jobpipe_client.cli.files import is_pipe
from jobpipe_client.cli.importing.run import Import
from tests.cli.conftest import Jobpipe
from tests.cli.importing import fields, item, lines, report
from tests.client.service import KEY, Service
from tests.helpers import commands

ROW = '{{"name": "{}", "description": "d"}}\n'


def names(service: Service) -> list[str]:
    return sorted(each["name"] for each in service.items.values())


def rows(*found: str) -> str:
    return "".join(map(ROW.format, found))


def in_a_shell(service: Service, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script with the command as `$IMPORT` in its own process, since descriptors belong to a process."""
    env = commands.clean_environment(JOBPIPE_URL=service.url, JOBPIPE_API_KEY=KEY)
    env |= {"IMPORT": f"{sys.executable} -m jobpipe_client.cli import", "PYTHONPATH": str(commands.ROOT)}
    return subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    "script",
    [
        "$IMPORT /dev/stdin --format jsonl < a.jsonl",
        "$IMPORT /dev/fd/0 --format jsonl < a.jsonl",
        "$IMPORT /proc/self/fd/0 --format jsonl < a.jsonl",
        "$IMPORT /dev/fd/7 --format jsonl 7< a.jsonl",
        "ln -s /dev/stdin link.jsonl; $IMPORT link.jsonl < a.jsonl",
        "ln -s /dev dev; $IMPORT dev/stdin --format jsonl < a.jsonl",
        "$IMPORT <(cat a.jsonl) --format jsonl",
        "cat a.jsonl | $IMPORT - --format jsonl",
    ],
)
def test_a_pipe_by_any_name_is_read_once_without_a_journal(service: Service, tmp_path: Path, script: str) -> None:
    for name in ("A", "B"):
        Path("a.jsonl").write_text(rows(name))
        done = in_a_shell(service, script)
        assert done.returncode == 0, done.stderr
        assert "cannot be resumed" in done.stderr
        for link in ("link.jsonl", "dev"):
            (tmp_path / link).unlink(missing_ok=True)
    assert names(service) == ["A", "B"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
    assert not any(path.name.endswith("jobpipe-import") for path in Path("/dev").iterdir())


def test_links_to_a_file_are_the_file(jobpipe: Jobpipe, service: Service, tmp_path: Path) -> None:
    Path("data").mkdir()
    Path("data/a.jsonl").write_text(rows("A"))
    Path("soft.jsonl").symlink_to("data/a.jsonl")
    Path("folder").symlink_to("data")
    os.link("data/a.jsonl", "data/hard.jsonl")
    jobpipe.does("import", "soft.jsonl")
    assert [path.name for path in tmp_path.rglob("*.jobpipe-import")] == ["a.jsonl.jobpipe-import"]
    for other in ("data/a.jsonl", "soft.jsonl", "folder/a.jsonl", "data/hard.jsonl", str(tmp_path / "soft.jsonl")):
        done = jobpipe("import", other)
        assert done.exit_code == 0, done.stderr
        assert "was already imported" in done.stderr
    assert len(service.applied) == 1
    assert len(list(tmp_path.rglob("*.jobpipe-import"))) == 1


def test_another_file_in_the_folder_has_its_own_journal(jobpipe: Jobpipe, service: Service) -> None:
    Path("a.jsonl").write_text(rows("A"))
    Path("b.jsonl").write_text(rows("B"))
    os.link("b.jsonl", "c.jsonl")
    for each in ("a.jsonl", "c.jsonl"):
        jobpipe.does("import", each)
    assert names(service) == ["A", "B"]


# Not /dev/stdout: with a bug, a run by root would replace it for the whole machine.
@pytest.mark.parametrize("name", ["/dev/fd/1", "/proc/self/fd/1"])
def test_a_file_behind_a_descriptor_is_written_to_and_not_replaced(
    service: Service, tmp_path: Path, name: str
) -> None:
    """The export, and the file of failures."""
    Path("a.jsonl").write_text(rows("A") + "{\n")
    export = "${IMPORT% import} export"
    script = (
        f"echo before > out; $IMPORT a.jsonl --failures {name} >> out; cat a.jsonl | sed '$d' > b.jsonl; "
        f"{export} {name} --format jsonl >> out; $IMPORT b.jsonl --restart --failures {name} >> out"
    )
    done = in_a_shell(service, script)
    assert "Traceback" not in done.stderr
    out = Path("out").read_text()
    assert out.startswith('before\n{"jobpipe:line":2,')
    assert '"name":"A","description":"d"}' in out


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/stderr", "/dev/fd/0", "/dev/null", "link"])
def test_names_of_descriptors_and_devices(name: str) -> None:
    Path("link").symlink_to("/dev/stdout")
    assert is_pipe(Path(name))
    Path("file").touch()
    Path("other").symlink_to("file")
    assert not any(map(is_pipe, (Path("file"), Path("other"), Path("none"), Path("/dev/none"))))


def changed_after(monkeypatch: pytest.MonkeyPatch, batches: int, change: Any) -> None:
    """The file changes after this number of batches was cut."""
    cut = Import._batches

    def changing(self: Import, check: Any) -> Any:
        for n, batch in enumerate(cut(self, check), start=1):
            yield batch
            if n == batches:
                change()

    monkeypatch.setattr(Import, "_batches", changing)


def replace(text: str) -> None:
    Path("new").write_text(text)
    Path("new").replace("a.jsonl")


TEXT = rows(*(f"A{n}" for n in range(10, 40)))
BEGIN, END = TEXT[: len(ROW.format("A10")) * 10], TEXT[len(ROW.format("A10")) * 10 :]


@pytest.mark.parametrize(
    ("change", "continues"),
    [
        (lambda: Path("a.jsonl").write_text(BEGIN + END.replace("A", "B")), True),
        (lambda: replace(BEGIN + END.replace("A", "B")), True),
        (lambda: Path("a.jsonl").write_text(TEXT.replace("A1", "B1")), False),
        (lambda: Path("a.jsonl").write_text(TEXT + rows("A40")), False),
        (lambda: Path("a.jsonl").write_text(TEXT[:-10]), False),
        (lambda: os.utime("a.jsonl", (1, 1)), True),
        (lambda: Path("a.jsonl").unlink(), None),
    ],
)
def test_a_file_that_changes_while_it_is_imported_ends_the_import(
    jobpipe: Jobpipe, service: Service, monkeypatch: pytest.MonkeyPatch, change: Any, continues: bool | None
) -> None:
    Path("a.jsonl").write_text(TEXT)
    with monkeypatch.context() as patch:
        changed_after(patch, 1, change)
        message = jobpipe.fails(1, "import", "a.jsonl", "--batch-size", "10", "--concurrency", "1")
    assert "was changed while it was being imported" in message
    assert set(names(service)) <= {f"A{n}" for n in range(10, 20)}, "nothing of the changed file"
    assert "If you restore the file, the same command continues" in message
    if continues is None:
        return
    again = jobpipe("import", "a.jsonl", "--batch-size", "10", "--concurrency", "1")
    if continues:  # the rows that were sent are unchanged
        assert again.exit_code == 0, again.output
        assert sorted(each["item"]["name"] for each in service.applied) == sorted(
            json.loads(line)["name"] for line in Path("a.jsonl").read_text().splitlines()
        )
    else:
        assert "has changed since its import began" in again.stderr
        Path("a.jsonl").write_text(TEXT)
        jobpipe.does("import", "a.jsonl", "--batch-size", "10", "--concurrency", "1")
        assert sorted(names(service)) == [f"A{n}" for n in range(10, 40)]


def test_a_change_after_the_last_row_was_read_is_noticed(jobpipe: Jobpipe, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.jsonl").write_text(TEXT)
    changed_after(monkeypatch, 3, lambda: Path("a.jsonl").write_text(TEXT.replace("A39", "A00")))
    assert "was changed while it was being imported" in jobpipe.fails(1, "import", "a.jsonl", "--batch-size", "10")
    assert '"finished"' not in Path("a.jsonl.jobpipe-import").read_text()


def test_the_journal_covers_the_bytes_that_were_read(jobpipe: Jobpipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows that were read before a change were sent, even if the change is not detected."""
    Path("a.jsonl").write_text(TEXT)
    changed = TEXT.replace("A15", "B15").replace("A35", "B35")
    monkeypatch.setattr("jobpipe_client.cli.importing.reading.source.Source.has_changed", lambda _: False)
    changed_after(monkeypatch, 1, lambda: Path("a.jsonl").write_text(changed))
    jobpipe.does("import", "a.jsonl", "--batch-size", "10")
    assert "has changed since its import began" in jobpipe.fails(1, "import", "a.jsonl", "--batch-size", "10")
    Path("a.jsonl").write_text(TEXT)  # the reader had it in its buffer
    assert "was already imported" in jobpipe("import", "a.jsonl", "--batch-size", "10").stderr


def test_a_batch_is_sent_again_unchanged(
    jobpipe: Jobpipe, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This holds even if the file changes after it was compared and before it is read again."""
    long = TEXT.replace('"d"', f'"{"d" * 5000}"')  # more than a reader has in its buffer
    Path("a.jsonl").write_text(long)
    monkeypatch.setattr("jobpipe_client.many._BACKOFF", lambda _: 0)
    monkeypatch.setattr("jobpipe_client.http.transport._BACKOFF", lambda _: 0)
    service.batches.cannot_queue = lambda _: True
    jobpipe.fails(1, "import", "a.jsonl", "--batch-size", "10", "--concurrency", "1")
    service.batches.cannot_queue = lambda _: False
    monkeypatch.setattr(
        "jobpipe_client.cli.importing.run.check_known",
        lambda *_: Path("a.jsonl").write_text(long.replace("A15", "B15")),
    )
    done = jobpipe("import", "a.jsonl", "--batch-size", "10", "--concurrency", "1")
    assert done.exit_code == 1
    assert "has changed since its import began" in done.stderr
    assert "B15" not in names(service)


def test_a_journal_of_another_release_is_recognized(jobpipe: Jobpipe) -> None:
    Path("a.jsonl").write_text(rows("A"))
    jobpipe.does("import", "a.jsonl")
    journal = Path("a.jsonl.jobpipe-import")
    journal.write_text(journal.read_text().replace('"jobpipe-import":2', '"jobpipe-import":1'))
    assert "is from another release of jobpipe; --restart" in jobpipe.fails(1, "import", "a.jsonl")


def test_a_pipe_is_imported_without_a_journal(jobpipe: Jobpipe, service: Service, tmp_path: Path) -> None:
    done = jobpipe("import", "-", "--format", "csv", said="name,description\nA,d\nB\n")
    assert done.exit_code == 3
    assert "cannot be resumed" in done.stderr
    assert [each["name"] for each in fields(service)] == ["A"]
    assert [path.name for path in tmp_path.iterdir()] == ["import.failed.csv"]


def test_the_failures_of_a_named_pipe_are_in_the_current_folder(jobpipe: Jobpipe, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(lines(item("A"), {"name": "B"}).encode(),))
    writer.start()
    assert report(jobpipe, "pipe", "--format", "jsonl")[0] == 3
    writer.join()
    assert '"name":"B"' in Path("import.failed.jsonl").read_text()


def test_the_batches_have_the_name_of_the_file(jobpipe: Jobpipe, service: Service, tmp_path: Path) -> None:
    client = Client(service.url, KEY)
    named = tmp_path / ("tents " * 30 + ".jsonl")
    named.write_text("".join(f'{{"name": "A{n}", "description": "d"}}\n' for n in range(3)))
    jobpipe.does("import", str(named), "--batch-size", "2")
    batches = {job.links["batch"].rpartition("/")[2] for job in client.jobs()}
    assert [client.batch(each).name for each in batches] == [named.name[:100]] * 2
    assert service.seen[0].path == "/batches", "nothing else is asked for"


def test_an_older_service_takes_batches_without_a_name(jobpipe: Jobpipe, service: Service, tmp_path: Path) -> None:
    service.batches.knows_names = False
    path = tmp_path / "tents.jsonl"
    path.write_text("".join(f'{{"name": "A{n}", "description": "d"}}\n' for n in range(5)))
    jobpipe.does("import", str(path), "--batch-size", "2")
    assert len(service.items) == 5
    sent = [seen.body.get("name") for seen in service.seen if seen.method == "POST"]
    assert (len(sent), sent.count(None)) == (6, 3)
