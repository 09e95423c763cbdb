"""Helpers of the tests that run `jobpipe`, in this process, in one of its own, or on a terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tenacity

from tests.cli.conftest import Jobpipe
from tests.client.service import KEY, Service
from tests.helpers import commands

INTERRUPTED = re.compile(
    r"jobpipe: Interrupted\. Run the same command to continue; "
    r"0 rows have ended, and \d+ more batch(es)? may have been stored"
)
"""The last line of an import that was interrupted while no row had ended."""
TENT = {"name": "Tent", "description": "For two"}
CREATE = json.dumps({"operation": "create", "item": TENT})


def documents(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def a_job(jobpipe: Jobpipe, *more: str, command: str = CREATE) -> dict[str, Any]:
    (job,) = documents(jobpipe("submit", command, "--json", *more).stdout)
    return dict(job)


def a_failed_job(jobpipe: Jobpipe) -> dict[str, Any]:
    return a_job(jobpipe, "--wait", command='{"operation": "read", "item_id": "none"}')


@tenacity.retry(stop=tenacity.stop_after_delay(60), wait=tenacity.wait_fixed(0.05), reraise=True)
def until(condition: Any) -> None:
    assert condition()


@contextmanager
def started(service: Service, *arguments: str, **how: Any) -> Iterator[subprocess.Popen[str]]:
    env = commands.clean_environment(JOBPIPE_URL=service.url, JOBPIPE_API_KEY=KEY)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how
    command = (sys.executable, "-m", "jobpipe_client.cli", *arguments)
    with subprocess.Popen(command, cwd=commands.ROOT, env=env, text=True, **pipes) as running:
        try:
            yield running
        finally:  # end the process if the test has failed
            running.kill()


def on_a_terminal(service: Service, more: dict[str, str], *arguments: str, status: int = 0) -> str:
    env = commands.clean_environment(JOBPIPE_URL=service.url, JOBPIPE_API_KEY=KEY, TERM="xterm", COLUMNS="100")
    ours, theirs = os.openpty()
    command = (sys.executable, "-m", "jobpipe_client.cli", *arguments)
    with subprocess.Popen(command, cwd=commands.ROOT, env=env | more, stdout=theirs, stderr=theirs) as running:
        os.close(theirs)
        shown = b""
        while True:
            try:
                some = os.read(ours, 4096)
            except OSError:  # the end of a terminal on Linux
                break
            if not some:
                break
            shown += some
    os.close(ours)
    assert running.returncode == status, shown
    return shown.decode()
