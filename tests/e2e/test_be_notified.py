"""The receiver and the requests of docs/how-to/be-notified.md run as they are written there."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import tenacity

from tests.helpers.commands import ROOT, clean_environment, run
from tests.helpers.deployed import Stage

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "how-to" / "be-notified.md").read_text()
RECEIVER, CREATE, USE = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^jobpipe (webhooks \w+ .*?)(?: +#.*)?$", PAGE, flags=re.MULTILINE)


@pytest.fixture
def port() -> int:
    """Return a port that is free, for the receiver."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def environment(stage: Stage) -> dict[str, str]:
    for item in stage.client.iter_items():
        if item["name"] == "Lantern":  # an earlier run left it on this stage
            stage.client.wait(stage.client.delete(item.id))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return clean_environment(
        JOBPIPE_URL=stage.deployment.base_url, JOBPIPE_API_KEY=stage.deployment.api_key, PATH=path
    )


@contextmanager
def running_receiver(folder: Path, port: int, secret: str) -> Iterator[Path]:
    """Run the page's receiver during the block, and yield the file of its output."""
    program, output = folder / "receiver.py", folder / "output"
    program.write_text(RECEIVER.replace("8000", str(port)))
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, program], stdout=file, env=os.environ | {"WEBHOOK_SECRET": secret}
        )
        try:
            yield output
        finally:
            process.kill()
            process.wait()


@tenacity.retry(stop=tenacity.stop_after_delay(60), wait=tenacity.wait_fixed(0.1), reraise=True)
def lines(output: Path, *beginnings: str) -> list[str]:
    """Return the output once it has lines that begin so; jobs of other tests may end meanwhile."""
    found = output.read_text().splitlines()
    for beginning in beginnings:
        assert any(line.startswith(beginning) for line in found), found
    return found


@tenacity.retry(stop=tenacity.stop_after_delay(60), wait=tenacity.wait_fixed(0.1), reraise=True)
def answer_to_a_stranger(port: int) -> int:
    """Return the status with which the receiver answers a request without a signature, once it listens."""
    return requests.post(f"http://127.0.0.1:{port}/", data=b"{}", timeout=10).status_code


def test_the_page(stage: Stage, environment: dict[str, str], port: int, tmp_path: Path) -> None:
    create = CREATE.replace("8000", str(port))
    done = run(sys.executable, "-c", create, env=environment)
    assert done.returncode == 0, done.stderr
    webhook_id, secret = done.stdout.split()
    try:
        with running_receiver(tmp_path, port, secret) as output:
            assert answer_to_a_stranger(port) == 401
            use = f"from jobpipe_client import Client\nclient = Client.from_stage()\n{USE}"
            use = use.replace("webhook.id", repr(webhook_id))
            done = run(sys.executable, "-c", use, env=environment)
            assert done.returncode == 0, done.stderr
            lantern = next(item for item in stage.client.iter_items() if item["name"] == "Lantern")
            told = lines(
                output, f"webhook.test webhooks/{webhook_id}", f"item.changed items/{lantern.id}", "job.ended jobs/"
            )
            changed = next(n for n, line in enumerate(told) if line.startswith(f"item.changed items/{lantern.id}"))
            assert any(line.endswith(" succeeded") for line in told[changed:]), "the end is told after the change"
            event = next(stage.client.webhooks.deliveries(webhook_id)).event
            ended = next(line for line in told if line.startswith("job.ended jobs/"))
            job_id = ended.split()[1].removeprefix("jobs/")
            for command in COMMANDS:
                words = command.replace("EVENT", event).replace("JOB", job_id).replace("ID", webhook_id).split()
                words = [word.replace("8000", str(port)) for word in words]
                done = run("jobpipe", *words, env=environment)
                assert done.returncode == 0, (command, done.stderr)
            printed = output.read_text().splitlines()
            assert len(printed) == len(set(printed)), "the receiver drops repeated events"
    finally:
        stage.client.webhooks.delete(webhook_id)
