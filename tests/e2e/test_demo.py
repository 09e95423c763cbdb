"""The demo on a deployed stage: every outcome is as expected."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.helpers.commands import Done, run
from tests.helpers.deployed import Stage

pytestmark = pytest.mark.slow


def demo(*arguments: str, **environment: str) -> Done:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("JOBPIPE_")}
    return run(sys.executable, "-m", "scripts.demo", *arguments, env={**inherited, **environment})


def connection(stage: Stage) -> dict[str, str]:
    return {"JOBPIPE_URL": stage.deployment.base_url, "JOBPIPE_API_KEY": stage.deployment.api_key}


def test_every_outcome_of_two_runs_is_as_expected(stage: Stage) -> None:
    for _ in range(2):
        done = demo("--clean-up", **connection(stage))
        assert done.returncode == 0, done.stdout + done.stderr
        assert "every outcome as expected" in done.stdout
        assert "259 of 259 jobs ended" in done.stdout


def test_an_unexpected_outcome_is_an_exit_code(stage: Stage, tmp_path: Path) -> None:
    wrong = '{"label":"a","operation":"read","item_id":"no-such-item","expect":{"status":"succeeded"}}\n'
    (tmp_path / "wrong.jsonl").write_text(wrong)
    done = demo("--file", str(tmp_path / "wrong.jsonl"), **connection(stage))
    assert done.returncode == 1, done.stdout + done.stderr


def test_an_operators_mistake_is_one_line(tmp_path: Path) -> None:
    not_deployed = demo(JOBPIPE_STATE_DIR=str(tmp_path))
    unreachable = demo(JOBPIPE_URL="http://127.0.0.1:9", JOBPIPE_API_KEY="k" * 20)
    for done in (not_deployed, unreachable):
        assert done.returncode != 0
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_wrong_key_is_an_error_without_a_traceback(stage: Stage) -> None:
    done = demo(**(connection(stage) | {"JOBPIPE_API_KEY": "wrong-key-wrong-key-wrong"}))
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
