"""The demo and all its sample commands against a server that follows the contract."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from scripts.demo import __main__ as demo
from scripts.demo.report import percentiles
from scripts.demo.script import ScriptError, read_script
from tests.client.service import KEY, Service

SUCCEEDED = {"status": "succeeded"}


@pytest.fixture(autouse=True)
def _deployed(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBPIPE_URL", service.url)
    monkeypatch.setenv("JOBPIPE_API_KEY", KEY)


def write(path: Path, *lines: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


def test_the_sample_has_all_operations_and_problems() -> None:
    lines = read_script(demo.SAMPLE)
    operations = Counter(line.operation for line in lines)
    problems = Counter(line.problem for line in lines if line.problem)
    assert len(lines) >= 240
    assert operations["create"] >= 100
    assert operations["update"] >= 70
    assert operations["delete"] >= 25
    assert operations["read"] >= 20
    assert problems.total() >= 25
    assert set(problems) == {"name-taken", "not-found", "version-mismatch"}


def test_two_runs_on_one_deployment(service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main([]) == 0
    out = capsys.readouterr().out
    assert "every outcome as expected" in out
    assert "259 of 259 jobs ended" in out
    assert re.search(r"│ update +│ +78 │", out)
    kept = len(service.items)
    assert f"{kept} items stay" in out
    failed = [job for job in service.jobs.values() if job["status"] == "failed"]
    assert f"{len(failed)} jobs failed as expected" in out
    assert all("dismissed_at" in job for job in failed)
    rows = demo.SAMPLE.read_text(encoding="utf-8").splitlines()[:80]
    beginning = write(tmp_path / "s.jsonl", *map(json.loads, rows))
    assert demo.main(["--clean-up", "--concurrency", "16", "--file", beginning]) == 0
    assert len(service.items) == kept


def test_unexpected_outcomes_are_shown(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    item = {"name": "Tent", "description": "For two", "price": 12.95}
    path = write(
        tmp_path / "s.jsonl",
        {"label": "a", "operation": "create", "ref": "t", "item": item, "expect": SUCCEEDED},
        {"label": "b", "operation": "read", "ref": "t", "expect": {**SUCCEEDED, "result": {"price": 9}}},
        {"label": "c", "operation": "delete", "item_id": "never", "expect": SUCCEEDED},
        {"label": "d", "operation": "create", "ref": "u", "item": {"name": "x"}, "expect": SUCCEEDED},
        {"label": "e", "operation": "delete", "ref": "u", "expect": SUCCEEDED},
        {
            "label": "f",
            "operation": "delete",
            "ref": "t",
            "if_match": "current",
            "after": ["d"],
            "expect": SUCCEEDED,
        },
    )
    assert demo.main(["--file", path]) == 1
    out = capsys.readouterr().out
    assert "5 not as expected" in out
    assert "dismissed" not in out
    failed = [job for job in service.jobs.values() if job["status"] == "failed"]
    assert failed
    assert not any("dismissed_at" in job for job in failed), "nobody expected them"
    for got in (
        "succeeded with another",
        "not-found",
        "refused: invalid-request",
        "not sent: the create",
        "no ETag",
    ):
        assert got in out


def test_a_job_that_does_not_end(service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    service.pause()
    item = {"name": "Tent", "description": "For two"}
    path = write(
        tmp_path / "s.jsonl",
        {"label": "a", "operation": "create", "ref": "t", "item": item, "expect": SUCCEEDED},
        {"label": "b", "operation": "delete", "ref": "t", "after": ["a"], "expect": SUCCEEDED},
    )
    assert demo.main(["--file", path, "--timeout", "0.3"]) == 1
    out = capsys.readouterr().out
    assert "still queued" in out
    assert "the time for the run is over" in out


def test_errors_are_reported_on_one_line(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def error_of(*arguments: str) -> str:
        assert demo.main(list(arguments)) == 2
        text = capsys.readouterr().err
        assert text.count("\n") == 1
        return text

    assert "cannot be read" in error_of("--file", str(tmp_path / "none"))
    monkeypatch.setenv("JOBPIPE_API_KEY", "wrong")
    assert "403 forbidden" in error_of()
    monkeypatch.delenv("JOBPIPE_API_KEY")
    assert "JOBPIPE_API_KEY is not set" in error_of()


def test_ctrl_c_ends_quietly(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "_with_progress", interrupt)
    assert demo.main([]) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ({"operation": "create"}, "'expect' is missing"),
        ({"operation": "upsert", "item_id": "x"}, "unknown operation"),
        ({"operation": "read"}, "either `ref` or `item_id`"),
        ({"operation": "read", "ref": "x"}, "nothing before it creates"),
        ({"operation": "read", "item_id": "x", "after": ["later"]}, "does not come before"),
        ({"operation": "update", "item_id": "x"}, "either `set` or `merge`"),
        ({"operation": "delete", "item_id": "x", "if_match": "stale"}, "goes with `after`"),
        ({"operation": "create", "ref": "x"}, "a create has an `item`"),
    ],
)
def test_an_invalid_line_is_named(tmp_path: Path, line: dict[str, Any], why: str) -> None:
    full = {"label": "a", **line} if "'expect'" in why else {"label": "a", "expect": SUCCEEDED, **line}
    path = write(tmp_path / "s.jsonl", full)
    with pytest.raises(ScriptError, match=f"line 1: .*{re.escape(why)}"):
        read_script(Path(path))


def test_percentiles() -> None:
    assert percentiles([7.0]) == (7.0, 7.0)
    assert percentiles([float(n) for n in range(101)]) == (50.0, 95.0)
