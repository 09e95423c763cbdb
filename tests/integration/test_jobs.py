"""Jobs as their callers see them."""

from __future__ import annotations

import http.client
import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from infra.keys.api_keys import FIRST_OWNER
from infra.stage.log_events import LogEvents
from jobpipe_client import NameTaken
from tests.helpers.deployed import WAIT, Stage, problem, unique


def item(**more: Any) -> dict[str, Any]:
    return {"name": unique("Stove"), "description": "Burns", **more}


def test_post_then_follow_the_location(stage: Stage) -> None:
    accepted = stage.request("POST", "/items", item())
    assert accepted.status_code == 202
    assert accepted.headers["retry-after"] == "1"
    job_url = requests.compat.urljoin(accepted.url, accepted.headers["location"])
    job = requests.get(f"{job_url}?wait=20", headers={"x-api-key": stage.deployment.api_key}, timeout=40).json()
    assert (job["status"], job["done"], job["attempts"]) == ("succeeded", True, 1)
    assert job["id"] == accepted.json()["id"]
    shown = stage.request("GET", job["links"]["item"])
    assert shown.json() == job["result"]
    assert shown.headers["etag"] == job["etag"]


def test_every_response_carries_a_request_id(stage: Stage) -> None:
    first, second = stage.request("GET", "/health"), stage.request("GET", "/items/nope")
    assert first.headers["x-request-id"]
    assert second.headers["x-request-id"] == second.json()["request_id"]
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_the_four_raw_commands(stage: Stage) -> None:
    def run(command: dict[str, Any]) -> Any:
        return stage.client.wait(stage.client.submit(command))

    document = item()
    created = run({"operation": "create", "item": document})
    item_id = created.item_id
    assert run({"operation": "update", "item_id": item_id, "set": {"x": 1}}).result["x"] == 1
    merged = run({"operation": "update", "item_id": item_id, "merge": {"x": None, "y": {"z": 2}}})
    assert run({"operation": "read", "item_id": item_id}).result == {"id": item_id, **document, "y": {"z": 2}}
    stale = run({"operation": "delete", "item_id": item_id, "if_match": created.etag})
    assert stale.error.status == 412
    assert run({"operation": "delete", "item_id": item_id, "if_match": merged.etag}).succeeded


def test_commands_of_one_item_take_effect_in_the_order_of_their_202s(stage: Stage) -> None:
    client = stage.client
    item_id = client.create(item()).item_id
    jobs = [client.merge(item_id, {"last": i, f"n{i}": i}) for i in range(30)]
    read = client.wait(client.read(item_id))
    assert read.result is not None
    assert read.result["last"] == 29
    assert all(read.result[f"n{i}"] == i for i in range(30))
    assert all(client.job(job.id).done for job in jobs)


def test_one_of_several_concurrent_creates_gets_the_name(stage: Stage) -> None:
    document = item()

    def create(_: int) -> bool:
        try:
            stage.client.sync.create(document)
        except NameTaken:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, range(8))) == 1


def test_concurrent_requests_with_one_idempotency_key_are_one_job(stage: Stage) -> None:
    document, key = item(), str(uuid.uuid4())
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda _: stage.request("POST", "/items", document, headers={"Idempotency-Key": key}), range(8)
            )
        )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len({answer.json()["item_id"] for answer in answers}) == 1
    stage.client.wait(stage.client.job(answers[0].json()["id"]))
    reused = stage.request("POST", "/items", item(), headers={"Idempotency-Key": key})
    assert problem(reused) == "idempotency-key-reused"


def test_if_match(stage: Stage) -> None:
    created = stage.request("POST", "/items", item(), headers=WAIT)
    path = f"/items/{created.json()['id']}"
    old = {**WAIT, "If-Match": created.headers["etag"]}
    updated = stage.request("PUT", path, {"x": 1}, headers=old)
    assert updated.status_code == 200
    assert updated.headers["etag"] != created.headers["etag"]
    for method, body in (("PUT", {"x": 2}), ("PATCH", {"x": 2}), ("DELETE", None)):
        assert problem(stage.request(method, path, body, headers=old)) == "version-mismatch"
    assert stage.request("DELETE", path, headers={**WAIT, "If-Match": updated.headers["etag"]}).status_code == 200


def test_an_applied_prefer_wait_is_confirmed(stage: Stage) -> None:
    answer = stage.request("POST", "/items", item(), headers={"Prefer": "respond-async, wait=15"})
    assert answer.status_code == 201
    assert answer.headers["preference-applied"] == "wait=15"


def test_a_document_too_large_for_a_row_is_stored_in_the_bucket(stage: Stage) -> None:
    document = item(text="é" * 90_000)
    job = stage.client.wait(stage.client.create(document))
    assert job.result == {"id": job.item_id, **document}
    assert stage.client.get_item(job.item_id) == job.result
    stage.client.sync.merge(job.item_id, {"text": "short"})
    assert stage.client.job(job.id).result == {"id": job.item_id, **document}, "the job's result does not change"


def test_another_key_is_another_caller(stage: Stage, other_key: str) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    own = stage.request("POST", "/items", item(), headers=key).json()
    others = stage.request("POST", "/items", item(), headers=key, key=other_key)
    assert others.status_code == 202
    assert others.json()["id"] != own["id"]
    assert problem(stage.request("GET", f"/jobs/{own['id']}", key=other_key)) == "not-found"
    assert stage.request(
        "GET", f"/items/{stage.client.wait(stage.client.job(own['id'])).item_id}", key=other_key
    ).ok


def test_a_forged_key_beside_a_good_one_shows_no_job_of_others(stage: Stage, other_key: str) -> None:
    job = stage.client.create(item())
    forged = FIRST_OWNER + "0" * 32
    base = urlsplit(stage.deployment.base_url)
    for keys in ((other_key, forged), (forged, other_key)):
        for names in (("x-api-key", "x-api-key"), ("x-api-key", "X-API-Key")):
            connection = http.client.HTTPConnection(base.netloc, timeout=40)
            connection.putrequest("GET", f"{base.path}/jobs/{job.id}")
            for name, key in zip(names, keys, strict=True):
                connection.putheader(name, key)
            connection.endheaders()
            assert connection.getresponse().status in (403, 404)
            connection.close()


def test_a_new_key_of_the_same_owner_is_the_same_caller(stage: Stage, second_key: str) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    document = item()
    own = stage.request("POST", "/items", document, headers=key).json()
    assert stage.request("GET", f"/jobs/{own['id']}", key=second_key).status_code == 200
    assert stage.request("POST", "/items", document, headers=key, key=second_key).json()["id"] == own["id"]


@pytest.mark.parametrize("function", ["api_function", "worker_function"])
def test_log_lines_are_json_and_name_the_job(stage: Stage, function: str) -> None:
    job = stage.client.wait(stage.client.create(item(secret="do-not-log-me")))
    logs, group = stage.aws("logs"), f"/aws/lambda/{stage.resources[function]}"

    def lines() -> list[dict[str, Any]]:
        messages = [event["message"] for event in LogEvents(logs, group, since_ms=0)]
        assert not any("do-not-log-me" in message for message in messages)
        assert not any(stage.deployment.api_key in message for message in messages)
        found = [json.loads(message) for message in messages if message.lstrip().startswith("{")]
        return [line for line in found if line.get("job_id") == job.id]

    deadline = time.monotonic() + 20
    while not (found := lines()) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found
    assert found[0]["item_id"] == job.item_id
    assert found[0]["request_id"]
    assert found[0]["service"] == ("jobpipe-api" if function == "api_function" else "jobpipe-worker")
