"""The journal decides whether an import continues. It names the caller and the time, and never the key."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from api_lambda.chalicelib.http.callers import owner_of
from tests.cli.conftest import Jobpipe
from tests.cli.importing import fields, item, lines, report, write
from tests.client import service as in_memory
from tests.client.batches import Batches
from tests.client.service import Service

JOURNAL = Path("a.jsonl.jobpipe-import")
ROW = '{"name": "A", "description": "d"}\n'


def header() -> dict[str, Any]:
    return dict(json.loads(JOURNAL.read_text().splitlines()[0]))


@pytest.mark.parametrize(
    "key",
    ["team" + "0" * 32, "x" * 40, "a-b" + "0" * 32, "Team" + "0" * 32, "team" + "A" * 32, "made-by-hand", "0" * 32],
)
def test_no_key_is_in_the_journal_or_shown(jobpipe: Jobpipe, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("JOBPIPE_API_KEY", key)
    monkeypatch.setattr(in_memory, "KEY", key)
    Path("a.jsonl").write_text(ROW)
    before = os.umask(0)
    try:
        jobpipe.does("import", "a.jsonl")
    finally:
        os.umask(before)
    assert header()["caller"] == owner_of(key), "as the service names callers"
    assert key not in JOURNAL.read_text()
    assert stat.S_IMODE(JOURNAL.stat().st_mode) == 0o600
    monkeypatch.setenv("JOBPIPE_API_KEY", "other" + "0" * 32)
    first, *rest = JOURNAL.read_text().splitlines()
    JOURNAL.write_text("\n".join([first.replace(owner_of(key), key), *rest, ""]))  # as an older release wrote it
    message = jobpipe.fails(1, "import", "a.jsonl")
    assert "begun by another caller" in message
    assert key not in message


def test_an_import_that_was_finished_long_ago_is_not_repeated(jobpipe: Jobpipe) -> None:
    Path("a.jsonl").write_text(ROW)
    jobpipe.does("import", "a.jsonl")
    text = JOURNAL.read_text().replace(header()["began"], "2020-01-01T00:00:00+00:00")
    JOURNAL.write_text(text)
    done = jobpipe("import", "a.jsonl")
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, "1 row: 1 succeeded, 0 failed")
    assert "was already imported" in done.stderr
    finished = text.splitlines()[-1]
    assert "finished" in finished
    JOURNAL.write_text(text.removesuffix(finished + "\n"))
    assert "begun 2020-01-01" in jobpipe.fails(1, "import", "a.jsonl"), "it may have rows to send"


def test_a_finished_import_is_repeated_only_with_restart(jobpipe: Jobpipe, service: Service) -> None:
    write("a.jsonl", lines(item("A")))
    jobpipe.does("import", "a.jsonl")
    seen = len(service.seen)
    again = jobpipe("import", "a.jsonl")
    assert again.exit_code == 0
    assert (
        "was already imported and has not changed: this is the report of the import that began 20" in again.stderr
    )
    assert "--restart sends all rows again, and rows whose name is taken are refused" in again.stderr
    assert [request.method for request in service.seen[seen:]] == ["GET"], (
        "only to check that the stage knows the import"
    )
    status, result = report(jobpipe, "a.jsonl", "--restart")
    assert (status, result["reasons"]) == (3, {"name-taken": 1})


def test_a_finished_import_is_refused_if_the_stage_was_deployed_again(jobpipe: Jobpipe, service: Service) -> None:
    write("a.jsonl", lines(item("A")))
    jobpipe.does("import", "a.jsonl")
    service.items.clear()
    service.batches = Batches(lambda command, key: service.accept(command, key, None), service.jobs)
    assert "deployed anew" in jobpipe.fails(1, "import", "a.jsonl")
    journal = Path("a.jsonl.jobpipe-import")
    began = json.loads(journal.read_text().splitlines()[0])["began"]
    journal.write_text(journal.read_text().replace(began, "2020-01-01T00:00:00+00:00"))
    assert "1 succeeded" in jobpipe.does("import", "a.jsonl"), "after so long the service may have forgotten it"


@pytest.mark.parametrize("change", ["other content", "longer", "shorter", "same length"])
def test_a_file_that_has_changed_is_refused(jobpipe: Jobpipe, service: Service, change: str) -> None:
    text = lines(item("A"), item("B"))
    write("a.jsonl", text)
    jobpipe.does("import", "a.jsonl")
    changed = {
        "other content": lines(item("C")),
        "longer": text + lines(item("C")),
        "shorter": text[: len(text) // 2],
        "same length": text.replace("B", "C"),
    }[change]
    write("a.jsonl", changed)
    assert jobpipe.fails(1, "import", "a.jsonl").endswith(
        "a.jsonl has changed since its import began; --restart sends all rows again, and rows whose name is taken "
        "are refused"
    )
    assert [each["name"] for each in fields(service)] == ["A", "B"]


def test_an_import_continues_only_with_the_same_settings(jobpipe: Jobpipe, monkeypatch: pytest.MonkeyPatch) -> None:
    write("a.csv", "name,description,n\nA,d,1\n")
    jobpipe.does("import", "a.csv")
    assert "was begun with columns {}" in jobpipe.fails(1, "import", "a.csv", "--number", "n")
    other = Service()
    try:
        monkeypatch.setenv("JOBPIPE_URL", other.url)
        assert "was begun with deployment" in jobpipe.fails(1, "import", "a.csv")
    finally:
        other.stop()


def test_an_import_continues_after_an_outage_has_ended_it(
    jobpipe: Jobpipe, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("a.jsonl", lines(*(item(f"A{n}") for n in range(40))))
    service.batches.cannot_queue = lambda command: command["item"]["name"] == "A25"
    monkeypatch.setattr("jobpipe_client.many._BACKOFF", lambda _: 0)
    monkeypatch.setattr("jobpipe_client.http.transport._BACKOFF", lambda _: 0)
    monkeypatch.setattr("jobpipe_client.cli.importing.sender._OUTAGE", 0.2)
    monkeypatch.setattr("jobpipe_client.cli.importing.sender._OUTAGE_PAUSE", 0.02)
    done = jobpipe("import", "a.jsonl", "--batch-size", "10")
    assert done.exit_code == 1
    assert "503 unavailable" in done.stderr.splitlines()[-1]
    service.batches.cannot_queue = lambda _: False
    done = jobpipe("import", "a.jsonl", "--batch-size", "10")
    assert done.exit_code == 0, done.output
    assert "40 rows: 40 succeeded" in done.stdout
    assert sorted(each["name"] for each in fields(service)) == sorted(f"A{n}" for n in range(40))
