"""The examples of README.md run as they are written there."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
import tenacity
from standardwebhooks import Webhook

from jobpipe_client import Client
from tests.helpers.commands import ROOT, run
from tests.helpers.deployed import Stage
from tests.helpers.receiver import receiver

pytestmark = pytest.mark.slow

README = (ROOT / "README.md").read_text()
NAMES = (
    "Canoe",
    "Trail tent",
    "Camp stove",
    "Camp lantern",
    *(f"{kind} {n}" for kind in ("Peg", "Pole") for n in range(250)),
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def environment(stage: Stage) -> dict[str, str]:
    # Items that an earlier run left on this stage would change the outcomes of the examples.
    client: Client = stage.client
    for item in client.iter_items():
        if item["name"] in NAMES:
            client.wait(client.delete(item.id))
    return {
        **os.environ,
        "JOBPIPE_URL": stage.deployment.base_url,
        "JOBPIPE_API_KEY": stage.deployment.api_key,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


def test_the_shell_examples(environment: dict[str, str]) -> None:
    examples = blocks("sh")
    assert len(examples) == 3
    # The example's own key may belong to a job of an earlier run.
    script = "\n".join(examples).replace("readme-1", f"readme-{os.urandom(4).hex()}")
    done = run("bash", "-euo", "pipefail", "-c", script, env=environment)
    assert done.returncode == 0, done.stderr
    assert '"status":"queued"' in done.stdout
    assert '"status":"succeeded"' in done.stdout
    assert '"price":12.95' in done.stdout
    assert "409" in done.stdout
    assert "urn:jobpipe:problem:name-taken" in done.stdout


def test_the_python_examples(environment: dict[str, str]) -> None:
    shortest, first, many, _ = [block for block in blocks("python") if "jobpipe_client" in block]
    done = run(sys.executable, "-c", shortest, env=environment)
    assert done.returncode == 0, done.stderr
    assert "Canoe" in done.stdout
    done = run(sys.executable, "-c", first, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("succeeded {")
    assert "Camp stove" in done.stdout
    key = f"poles-{os.urandom(4).hex()}"
    for _ in range(2):  # the second run changes nothing
        done = run(sys.executable, "-c", many.replace("poles-1", key), env=environment)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_webhook_of_the_python_examples(stage: Stage, environment: dict[str, str]) -> None:
    *_, told = [block for block in blocks("python") if "jobpipe_client" in block]
    known = {each.id for each in stage.client.webhooks.list()}
    with receiver() as hook:
        done = run(sys.executable, "-c", told.replace("http://127.0.0.1:8000/", hook.url), env=environment)
        assert done.returncode == 0, done.stderr
        try:
            # Jobs of other tests, which have the same owner, may end meanwhile.
            test, *_ = hook.wait_for(1, of="webhooks/")
            lantern = next(item for item in stage.client.iter_items() if item["name"] == "Camp lantern")
            for attempt in tenacity.Retrying(stop=tenacity.stop_after_delay(60), reraise=True):
                with attempt:
                    (ended,) = [each for each in hook.of("jobs/") if each.event["data"]["item_id"] == lantern.id]
            for request in (test, ended):
                Webhook(done.stdout.strip()).verify(request.body, request.headers)
        finally:
            for made in stage.client.webhooks.list():
                if made.id not in known:
                    stage.client.webhooks.delete(made.id)


def test_every_make_target_exists() -> None:
    output = run("make", "help", env=os.environ).stdout
    targets = set(re.findall(r"^  make (\S+)", output, flags=re.MULTILINE))
    for line in re.findall(r"`make ([^`]*)`", README):
        assert line.split()[0] in targets, line
