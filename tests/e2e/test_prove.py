"""`make prove` on a deployed stage: a shortened run, an interrupted one, and the mistakes of operators."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import tenacity

from infra.pause import _pause_of
from infra.stage.stage_file import write_deployment
from jobpipe.stores.dynamodb_rows import read_schedule
from tests.helpers import commands
from tests.helpers.deployed import Stage
from tests.integration.operators import Operator

pytestmark = pytest.mark.slow

PROMISES = {f"P{n}" for n in range(1, 12)}


@dataclass(frozen=True)
class Prover:
    """An operator who proves the tests' stage, with a folder for the reports."""

    stage: Stage
    operator: Operator
    folder: Path

    @property
    def words(self) -> tuple[str, ...]:
        name = self.stage.deployment.stage
        return (sys.executable, "-u", "-m", "scripts.prove", "--stage", name, "--quick", f"--folder={self.folder}")

    def run(self, *arguments: str) -> commands.Done:
        return commands.run(*self.words, *arguments, env=self.operator.environment)

    def report(self) -> Any:
        [path] = self.folder.glob("*.json")
        return json.loads(path.read_text())

    def page(self) -> str:
        [path] = self.folder.glob("*.html")
        return path.read_text()


@pytest.fixture
def prover(stage: Stage, tmp_path: Path) -> Prover:
    return Prover(stage, Operator(stage, tmp_path), tmp_path / "proof")


def left_by(stage: Stage, run: str) -> list[str]:
    """Return what there is of a run."""
    keys = [key.owner for key in stage.api_keys.all() if key.owner.startswith(run)]
    names = _names_of(stage, run)
    waiting = [job["job_id"]["S"] for job in scheduled(stage, run)]
    return [*keys, *map(str, names), *_webhooks_of(stage, run), *waiting, *_parked_of(stage, run)]


def _names_of(stage: Stage, run: str) -> list[Any]:
    return _rows(stage, "names_table", "begins_with(#name, :run)", {"#name": "name"}, {":run": {"S": run}})


def _parked_of(stage: Stage, run: str) -> list[str]:
    answer = stage.aws("sqs").receive_message(
        QueueUrl=stage.resources["parked_queue_url"], MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    return [each["Body"] for each in answer.get("Messages", []) if each["Body"].startswith(run)]


def _webhooks_of(stage: Stage, run: str) -> list[str]:
    table = stage.resources["webhooks_table"]
    pages = stage.aws("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    rows = [row for page in pages for row in page["Items"]]
    return [str(row) for row in rows if row["entry"]["S"].startswith(run) and "webhook" in row]


def scheduled(stage: Stage, run: str) -> list[Any]:
    """Return the scheduled jobs of a run."""
    jobs = _rows(stage, "jobs_table", "begins_with(#owner, :run)", {"#owner": "owner"}, {":run": {"S": run}})
    return [row for row in jobs if "generation" in row and read_schedule(row)[0]]


def _rows(stage: Stage, table: str, condition: str, names: dict[str, str], values: dict[str, Any]) -> list[Any]:
    pages = (
        stage.aws("dynamodb")
        .get_paginator("scan")
        .paginate(
            TableName=stage.resources[table],
            FilterExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            ConsistentRead=True,
        )
    )
    return [row for page in pages for row in page["Items"]]


def memory(stage: Stage) -> int:
    function = stage.resources["worker_function"]
    return int(stage.aws("lambda").get_function_configuration(FunctionName=function)["MemorySize"])


def test_a_shortened_run_holds_and_leaves_nothing(stage: Stage, prover: Prover) -> None:
    before = memory(stage)
    done = prover.run()
    assert done.returncode == 0, done.stdout + done.stderr
    report = prover.report()
    tried = {finding["promise"] for check in report["checks"] for finding in check["findings"]}
    assert tried >= PROMISES
    assert {finding["state"] for check in report["checks"] for finding in check["findings"]} <= {
        "held",
        "measured",
        "not tried",
    }
    embedded = stage.deployment.target == "embedded"
    of_events = "held" if embedded else "not tried"  # LocalStack's functions do not reach this machine
    assert report["promises"]["P10"] == of_events
    assert report["promises"]["P3"] == report["promises"]["P2"] == "held"
    assert report["not_begun"] == report["left"] == []
    assert 0 < report["dollars"] <= report["dollars_planned"] < 0.1
    assert all(each["p50"] <= each["p95"] for each in report["milliseconds"])
    assert len(report["milliseconds"]) == 3
    assert left_by(stage, report["run"]) == []
    assert memory(stage) == before
    for text in (json.dumps(report), prover.page(), done.stdout):
        assert stage.deployment.api_key not in text
        assert f"{report['run']}aW" not in text, "a temporary key"
    assert stage.deployment.base_url not in json.dumps(report) + prover.page()
    assert report["verdict"] in prover.page()


MADE: dict[str, Callable[[Stage, str], list[Any]]] = {
    "order": _names_of,
    "unreadable message": _parked_of,
    "events": _webhooks_of,
    "schedule": scheduled,
}


@pytest.mark.parametrize("moment", MADE)
def test_an_interrupted_run_leaves_nothing(stage: Stage, prover: Prover, moment: str) -> None:
    """In each case as soon as there is what this check makes."""
    with subprocess.Popen(
        (*prover.words, "--only", moment, "--only", "audit"),
        cwd=commands.ROOT,
        env=prover.operator.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        run = next(line for line in running.stdout if "makes the owners" in line).split()[3][:-1]
        until(lambda: bool(MADE[moment](stage, run)))
        assert left_by(stage, run), "there is something to delete"
        os.kill(running.pid, signal.SIGINT)
        output, errors = running.communicate(timeout=200)
    assert running.returncode == 130, output + errors
    assert errors.strip() == "interrupted"
    assert left_by(stage, run) == []
    report = prover.report()
    assert report["not_begun"] == [moment, "audit"]
    assert report["left"] == []
    assert "interrupted before" in prover.page()


def test_a_stage_that_breaks_a_promise_is_found(stage: Stage, tmp_path: Path) -> None:
    """Behind a proxy that sends every request of a known key with that of the stage's operator."""
    with privileged(stage) as base_url:
        broken = replace(stage, deployment=replace(stage.deployment, base_url=base_url))
        prover = Prover(broken, Operator(broken, tmp_path), tmp_path / "proof")
        done = prover.run("--only", "owners")
    assert done.returncode == 3, done.stdout + done.stderr
    report = prover.report()
    assert report["promises"]["P9"] == "broken"
    assert "a reader's update was answered with 202, not 403" in json.dumps(report)
    assert report["left"] == left_by(stage, report["run"]) == []
    assert len(report["left_out"]) == 10


@contextmanager
def privileged(stage: Stage) -> Iterator[str]:
    class Proxy(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            passed = ("Content-Type", "Idempotency-Key", "x-api-key")
            headers = {name: self.headers[name] for name in passed if name in self.headers}
            if self.headers.get("x-api-key", "").startswith("prove"):
                headers["x-api-key"] = stage.deployment.api_key
            url = stage.deployment.base_url + self.path
            answer = requests.request(self.command, url, data=body, headers=headers, timeout=40)
            self.send_response(answer.status_code)
            for name in ("Content-Type", "ETag", "Retry-After"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_DELETE = _pass_on  # noqa: N815  # http.server's names

        def log_message(self, *_: object) -> None:
            """Write no log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def until(condition: Callable[[], bool]) -> None:
    for attempt in tenacity.Retrying(
        stop=tenacity.stop_after_delay(60), wait=tenacity.wait_fixed(0.05), reraise=True
    ):
        with attempt:
            assert condition()


def test_a_stage_that_is_not_deployed_and_a_receiver_without_https_are_one_line(tmp_path: Path) -> None:
    env = commands.clean_environment(JOBPIPE_STATE_DIR=str(tmp_path))
    for arguments in (("--stage", "nowhere"), ("--receiver", "http://example.com/")):
        done = commands.run(sys.executable, "-m", "scripts.prove", *arguments, env=env)
        assert done.returncode != 0
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert done.stdout == ""


def test_a_paused_stage_is_refused(stage: Stage, prover: Prover) -> None:
    pause = _pause_of(stage.deployment)
    pause.pause()
    try:
        done = prover.run()
    finally:
        pause.resume()
    assert done.returncode == 1
    assert "make resume" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not prover.folder.exists()


def test_an_owner_rate_that_is_too_low_is_refused_before_anything_is_made(stage: Stage, prover: Prover) -> None:
    client, function = stage.aws("lambda"), stage.resources["api_function"]
    settings = client.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    keys = len(stage.api_keys.all())
    client.update_function_configuration(
        FunctionName=function, Environment={"Variables": settings | {"OWNER_RATE": "0.01", "OWNER_BURST": "100"}}
    )
    try:
        done = prover.run()
    finally:
        client.update_function_configuration(FunctionName=function, Environment={"Variables": settings})
    assert done.returncode == 1
    assert "OwnerRate=0.01" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert len(stage.api_keys.all()) == keys


def test_an_error_of_aws_is_one_line(stage: Stage, tmp_path: Path) -> None:
    """The stage's file names a usage plan that does not exist."""
    resources = {**stage.resources, "usage_plan": "none"}
    write_deployment(tmp_path, replace(stage.deployment, resources=resources))
    env = commands.clean_environment(JOBPIPE_STATE_DIR=str(tmp_path))
    name = stage.deployment.stage
    done = commands.run(sys.executable, "-m", "scripts.prove", "--stage", name, "--quick", env=env)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    with suppress(FileNotFoundError):
        assert not list((tmp_path / "proof").iterdir())
