"""The requests and commands of docs/how-to/run-a-command-later.md run as they are written there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.commands import ROOT, clean_environment, run
from tests.helpers.deployed import Stage, unique

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "how-to" / "run-a-command-later.md").read_text()
PROGRAM = "".join(re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^jobpipe (.*)$", PAGE, flags=re.MULTILINE)


@pytest.fixture
def environment(stage: Stage) -> dict[str, str]:
    return clean_environment(JOBPIPE_URL=stage.deployment.base_url, JOBPIPE_API_KEY=stage.deployment.api_key)


def test_the_program_prints_what_the_page_says(environment: dict[str, str]) -> None:
    assert "Tent" in PROGRAM
    program = PROGRAM.replace("Tent", unique("Tent"))  # the name may be taken on this stage
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    first, price, waiting, listed, cancelled, window = done.stdout.splitlines()
    assert first.startswith("scheduled ")
    assert (price, waiting, cancelled, window) == ("99", "2", "2", "cancelled")
    assert set(re.findall(r"\w+", listed)) == {"True"}


def test_the_commands_do_what_the_page_says(stage: Stage, environment: dict[str, str], tmp_path: Path) -> None:
    item = stage.client.sync.create({"name": unique("Tent"), "description": "For two"})
    file = tmp_path / "command.json"
    file.write_text(json.dumps({"operation": "read", "item_id": item.id}))
    delete, at, listing, cancel = COMMANDS
    ids: list[str] = []
    for command in (delete, at):
        arguments = (
            command.replace("…", item.id).replace("2026-12-01", "2027-06-01").replace("command.json", str(file))
        )
        done = run(*(sys.executable, "-m", "jobpipe_client.cli"), *_words(arguments), env=environment)
        assert "scheduled" in done.stdout, done.stderr
        ids.append(done.stdout.split()[0])
    done = run(sys.executable, "-m", "jobpipe_client.cli", *_words(listing), env=environment)
    assert all(each in done.stdout for each in ids)
    for each in ids:
        command = cancel.replace("5f0c…", each)
        done = run(sys.executable, "-m", "jobpipe_client.cli", *_words(command), env=environment)
        assert "cancelled" in done.stdout, done.stderr


def _words(command: str) -> list[str]:
    return [quoted or plain for quoted, plain in re.findall(r"'([^']*)'|(\S+)", command)]
