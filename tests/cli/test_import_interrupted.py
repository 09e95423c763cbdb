"""After Ctrl-C on a terminal, a message on its own line says how to continue."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.running import INTERRUPTED
from tests.cli.test_import_killed import Running, file_of, until_requests
from tests.client.service import KEY, Service
from tests.helpers import commands

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(service: Service, *arguments: str) -> str:
    """The terminal's text after Ctrl-C was pressed and the command has ended."""
    leader, follower = pty.openpty()
    env = commands.clean_environment(JOBPIPE_URL=service.url, JOBPIPE_API_KEY=KEY, TERM="xterm", COLUMNS="100")
    process = subprocess.Popen(
        (sys.executable, "-m", "jobpipe_client.cli", "import", *arguments),
        cwd=commands.ROOT,
        env=env,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    until_requests(service, 1)
    time.sleep(0.5)  # until the bar is drawn, which could hide the message
    process.send_signal(signal.SIGINT)
    shown = b""
    try:
        while chunk := os.read(leader, 65536):
            shown += chunk
    except OSError:  # Linux reports the end like this
        pass
    os.close(leader)
    assert process.wait(30) == 130
    return shown.decode()


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_the_message_is_on_its_own_line(tmp_path: Path, form: str) -> None:
    service = Service()
    service.pause()
    path = tmp_path / f"rows.{form}"
    path.write_text(file_of(form, 30, set()))
    shown = on_a_terminal(service, str(path), "--batch-size", "5")
    service.stop()
    assert "rows/s" in shown, "the bar was there"
    lines = [_CONTROL.sub("", line).strip() for line in re.split(r"[\r\n]+", shown)]
    (said,) = [line for line in lines if line.startswith("jobpipe: ")]
    assert INTERRUPTED.fullmatch(said)
    assert "Traceback" not in shown


def test_an_import_from_a_pipe_cannot_be_continued(tmp_path: Path) -> None:
    service = Service()
    service.pause()
    running = Running(service, "-", "--format", "jsonl", "--batch-size", "5", stdin=subprocess.PIPE)
    assert running.process.stdin is not None
    running.process.stdin.write(file_of("jsonl", 30, set()))
    running.process.stdin.flush()
    until_requests(service, 1)
    running.process.send_signal(signal.SIGINT)
    status, _, errors = running.ended()
    service.stop()
    assert status == 130
    first, last = errors.splitlines()
    assert first == "a pipe is read once: this import cannot be resumed"
    assert re.fullmatch(
        r"jobpipe: Interrupted\. 0 rows have ended, and \d more batch(es)? may have been stored; "
        "an import from a pipe cannot be continued",
        last,
    )
    assert not list(tmp_path.iterdir())
