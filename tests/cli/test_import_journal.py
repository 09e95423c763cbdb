"""The journal names the caller and the time, and never the key."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from api_lambda.chalicelib.http.callers import owner_of
from tests.cli.conftest import Jobpipe
from tests.client import service as in_memory

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
    assert "was imported already" in done.stderr
    finished = text.splitlines()[-1]
    assert "finished" in finished
    JOURNAL.write_text(text.removesuffix(finished + "\n"))
    assert "begun 2020-01-01" in jobpipe.fails(1, "import", "a.jsonl"), "it may have rows to send"
