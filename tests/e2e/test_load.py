"""`make load` against a stage: what it sends, prints and leaves behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import tenacity

from scripts.load.generator import Generator
from scripts.load.http_calls import HttpCalls
from scripts.load.plan import Plan
from tests.helpers import commands
from tests.helpers.deployed import Stage

pytestmark = pytest.mark.slow


def environment(stage: Stage, **other: str) -> dict[str, str]:
    connection = {"JOBPIPE_URL": stage.deployment.base_url, "JOBPIPE_API_KEY": stage.deployment.api_key}
    return commands.clean_environment(COLUMNS="100", **(connection | other))


def load(env: dict[str, str], *arguments: str) -> commands.Done:
    return commands.run(sys.executable, "-m", "scripts.load", *arguments, env=env)


def run_name(output: str) -> str:
    found = re.search(r"items (load-[0-9a-f]{6})-<n>", output)
    assert found, output
    return found[1]


def items_of(stage: Stage, run: str) -> list[str]:
    """Find the items by their name locks: to list all items, some of them large, may take half a minute."""
    pages = (
        stage.aws("dynamodb")
        .get_paginator("scan")
        .paginate(
            TableName=stage.resources["names_table"],
            FilterExpression="begins_with(#name, :run)",
            ExpressionAttributeNames={"#name": "name"},
            ExpressionAttributeValues={":run": {"S": f"{run}-"}},
            ConsistentRead=True,
        )
    )
    return [row["item_id"]["S"] for page in pages for row in page["Items"]]


def row(output: str, name: str) -> list[str]:
    """Return the cells of a line of a table."""
    line = next(line for line in output.splitlines() if line.startswith(f"│ {name}"))
    return [cell.strip() for cell in line.strip("│").split("│")][1:]


@tenacity.retry(stop=tenacity.stop_after_delay(30), wait=tenacity.wait_fixed(0.1), reraise=True)
def wait_until_gone(stage: Stage, run: str) -> None:
    assert items_of(stage, run) == []


def test_every_request_is_counted_and_nothing_stays(stage: Stage) -> None:
    done = load(environment(stage), "--rate", "10", "--seconds", "1", "--sample", "2", "--poisson")
    assert done.returncode == 0, done.stdout + done.stderr
    offered, accepted = row(done.stdout, "offered")[0], row(done.stdout, "accepted (202)")[0]
    assert offered == accepted == row(done.stdout, "sent")[0]
    assert int(row(done.stdout, "ended, as a poller sees it")[-1]) >= 2
    wait_until_gone(stage, run_name(done.stdout))


def test_latency_counts_from_the_due_time_of_a_request() -> None:
    """The second request is due while the first has no answer. A closed loop would hide its delay."""
    plan = Plan(rate=20, seconds=0.1, concurrency=1, sample=0)
    with slow_at_first(plan.arrivals()[1] * 4) as url:
        calls = HttpCalls(url, "key")
        measured = Generator(calls, plan).run()
        calls.close()
    first, second = measured.outcomes
    assert [first.status, second.status] == [202, 202]
    gap = plan.arrivals()[1]
    assert first.seconds > gap
    assert second.late >= first.seconds - gap, "the second began when the first was answered"
    assert second.seconds > second.late, "its latency counts from its due time"


@contextmanager
def slow_at_first(seconds: float) -> Iterator[str]:
    """Serve an API that accepts everything, the first request only after some seconds."""
    pauses = iter([seconds])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(next(pauses, 0))
            body = b'{"id": "j", "item_id": "i"}'
            self.send_response(202)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write no log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_service_that_fails_is_an_exit_status(stage: Stage) -> None:
    env = environment(stage)
    client = stage.aws("lambda")
    function = stage.resources["api_function"]
    settings = client.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    broken = settings | {"COMMANDS_QUEUE_URL": f"{settings['COMMANDS_QUEUE_URL']}-missing"}
    client.update_function_configuration(FunctionName=function, Environment={"Variables": broken})
    try:
        done = load(env, "--rate", "5", "--seconds", "1")
    finally:
        client.update_function_configuration(FunctionName=function, Environment={"Variables": settings})
    assert done.returncode == 1, done.stdout + done.stderr
    assert row(done.stdout, "503 Service Unavailable")[0] == "5"
    assert "the service failed" in done.stdout


def test_ctrl_c_prints_what_was_measured_so_far(stage: Stage) -> None:
    words = (sys.executable, "-u", "-m", "scripts.load", "--rate", "5", "--seconds", "60", "--keep")
    with subprocess.Popen(
        words, cwd=commands.ROOT, env=environment(stage), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        run = run_name(running.stdout.readline())
        for attempt in tenacity.Retrying(stop=tenacity.stop_after_delay(30), wait=tenacity.wait_fixed(0.05)):
            with attempt:
                assert len(items_of(stage, run)) > 3
        os.kill(running.pid, signal.SIGINT)
        output, errors = running.communicate(timeout=60)
    assert running.returncode == 130, errors
    assert "interrupted" in output
    assert 3 < int(row(output, "accepted (202)")[0]) < 300
    assert "Traceback" not in errors
    for item_id in items_of(stage, run):
        stage.client.delete(item_id)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--rate", "fast", "--seconds", "1"),
        ("--rate", "0", "--seconds", "1"),
        ("--seconds", "1"),
        ("--rate", "1000", "--seconds", "1000"),
        ("--rate", "1", "--seconds", "1", "--stage", "nowhere"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = load(commands.clean_environment(JOBPIPE_STATE_DIR=str(tmp_path)), *arguments)
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("wrong", [{"JOBPIPE_URL": "http://127.0.0.1:9"}, {"JOBPIPE_API_KEY": "wrong" * 5}])
def test_an_unreachable_stage_and_a_wrong_key_are_one_line(stage: Stage, wrong: dict[str, str]) -> None:
    done = load(environment(stage, **wrong), "--rate", "1", "--seconds", "1")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert done.stdout == ""
