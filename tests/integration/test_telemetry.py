"""The contents of the Lambdas' logs, and what they must not contain (P9)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import tenacity

from infra.stage.log_events import LogEvents
from infra.stage.names import log_groups
from jobpipe.runtime.telemetry import logged_id
from tests.helpers.deployed import WAIT, Stage, unique


def logged(stage: Stage, is_complete: Callable[[list[str]], bool]) -> list[str]:
    """Return all lines of the stage's log groups once they are complete; lines may be late."""
    wait = tenacity.Retrying(
        stop=tenacity.stop_after_delay(30),
        wait=tenacity.wait_fixed(0.2),
        retry=tenacity.retry_if_result(lambda lines: not is_complete(lines)),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else [],
    )
    found: list[str] = wait(_lines, stage)
    return found


def _lines(stage: Stage) -> list[str]:
    logs = stage.aws("logs")
    found = []
    for group in log_groups(stage.deployment.stage):
        try:
            found += [str(event["message"]) for event in LogEvents(logs, group, since_ms=0)]
        except logs.exceptions.ResourceNotFoundException:
            continue  # the function has never run
    return found


def parsed(lines: list[str], **members: Any) -> list[dict[str, Any]]:
    """Return the JSON lines that have these members."""
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [line for line in found if all(line.get(name) == value for name, value in members.items())]


def test_the_workers_lines_have_the_ids_of_the_request_and_its_trace(stage: Stage) -> None:
    answer = stage.request("POST", "/items", {"name": unique("Traced"), "description": "d"}, headers=WAIT)
    assert answer.status_code == 201
    request_id = answer.headers["x-request-id"]

    def both(lines: list[str]) -> bool:
        return len(parsed(lines, request_id=request_id)) >= 2

    lines = parsed(logged(stage, both), request_id=request_id)
    (request,) = [line for line in lines if line["message"] == "request"]
    (command,) = [line for line in lines if line["message"] == "command"]
    assert request["service"] == "jobpipe-api"
    assert request["function_request_id"] != command["function_request_id"], "each is the id of its own invocation"
    assert command["service"] == "jobpipe-worker"
    assert command["job_id"] == request["job_id"]
    assert command["trace_id"] == request["xray_trace_id"], "the trace of the request"


def test_outcomes_are_counted_in_the_log(stage: Stage) -> None:
    started = time.time() * 1000 - 5000  # the emulator's clock may differ
    name = unique("Counted")
    for status in (201, 409):
        body = {"name": name, "description": "d"}
        assert stage.request("POST", "/items", body, headers=WAIT).status_code == status

    def counted(lines: list[str]) -> list[dict[str, Any]]:
        metrics = [line for line in parsed(lines) if "_aws" in line]
        return [line for line in metrics if line["_aws"]["Timestamp"] >= started]

    def has_failure(lines: list[str]) -> bool:
        return any(line.get("reason") == "name-taken" for line in counted(lines))

    metrics = counted(logged(stage, has_failure))
    assert {line["stage"] for line in metrics} == {stage.deployment.stage}
    (worker, *_) = [line for line in metrics if "Succeeded" in line]
    assert worker["service"] == "jobpipe-worker"
    assert 0 <= worker["QueueDelay"][0] < 600_000
    (api, *_) = [line for line in metrics if "Accepted" in line]
    assert api["service"] == "jobpipe-api"


def test_no_body_and_no_key_is_logged(stage: Stage, other_key: str) -> None:
    """The mark is sent in every part of a request, and with every outcome."""
    mark = unique("SECRET").replace(" ", "")
    body = {"name": mark, "description": f"{mark} d", mark: mark}
    created = stage.request("POST", "/items", body, headers=WAIT | {"Idempotency-Key": f"{mark}k"})
    item = created.json()["id"]
    assert stage.request("POST", "/items", body, headers=WAIT).status_code == 409
    assert stage.request("PUT", f"/items/{item}", {mark: 1}, headers=WAIT).status_code == 200
    assert stage.request("PATCH", f"/items/{item}", {mark: None}, headers=WAIT).status_code == 200
    stale = WAIT | {"If-Match": f'"{mark}"'}
    assert stage.request("PUT", f"/items/{item}", {"x": 1}, headers=stale).status_code == 412
    for refused in ({"name": mark}, {**body, "id": mark}, [mark], {**body, "x": f"{mark}\0"}):
        assert stage.request("POST", "/items", refused).status_code == 400
    assert stage.request("POST", "/items", raw=f'{{"{mark}": 1, "{mark}": 2}}'.encode()).status_code == 400
    assert stage.request("GET", f"/items?cursor={mark}").status_code == 400
    assert stage.request("GET", "/items", key=other_key).status_code == 200
    stage.aws("sqs").send_message(
        QueueUrl=stage.resources["commands_queue_url"],
        MessageBody=json.dumps({"v": 1, mark: mark}),
        MessageGroupId=mark[:20],
        MessageDeduplicationId=mark[:40],
    )
    job = {"operation": "read", "item_id": mark}
    failed = stage.request("POST", "/jobs", job, headers=WAIT)
    assert failed.status_code == 404
    (failed_job, *_) = stage.request("GET", "/jobs?status=failed&limit=1").json()
    batch = stage.request("POST", "/batches", {"commands": [job, {**job, "operation": "delete"}]})
    assert batch.status_code == 202
    assert stage.request("POST", f"/jobs/{failed_job['id']}/retry").status_code == 202
    cancelled = stage.request("POST", "/jobs", job).json()
    assert stage.request("DELETE", f"/jobs/{cancelled['id']}").status_code in {200, 409}
    for entry in batch.json()["entries"]:
        assert stage.request("GET", f"/jobs/{entry['job']['id']}?wait=10").json()["done"]
    large = {"name": f"{mark}2", "description": mark + "x" * 400_000}
    assert stage.request("POST", "/items", large, headers=WAIT).status_code == 201
    last = stage.request("DELETE", f"/items/{item}", headers=WAIT)
    assert last.status_code == 200

    def complete(lines: list[str]) -> bool:
        over = parsed(lines, message="command", request_id=last.headers["x-request-id"])
        return bool(over and parsed(lines, message="message parked", group_id=logged_id(mark[:20])))

    lines = logged(stage, complete)
    assert complete(lines)
    assert [line for line in lines if mark in line] == []
    messages = {(line["service"], line["message"]) for line in parsed(lines, item_id=logged_id(mark))}
    assert messages >= {("jobpipe-api", "request"), ("jobpipe-worker", "command")}
    for key in (stage.deployment.api_key, other_key):
        assert [line for line in lines if key in line or key[-32:] in line] == []
