"""Each command of a batch becomes a job in its order or is refused, and only its caller can read the batch."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobpipe.domain.documents.item_rules import MAX_DOCUMENT_BYTES
from jobpipe.domain.jobs.batch import MAX_COMMANDS
from jobpipe.domain.jobs.job import is_job_id
from jobpipe.domain.limits import MAX_COMMAND_BYTES
from jobpipe.stores.jobs.batch_rows import batch_to_row
from tests.helpers.batches import KEY, an_item, create, kinds, merge, post, shown
from tests.helpers.pipeline import Pipeline


def test_each_command_becomes_a_job_of_its_own(pipeline: Pipeline) -> None:
    tent = an_item(pipeline)
    answer = post(pipeline, create("Yurt"), merge(tent, n=1), {"operation": "read", "item_id": tent})
    assert answer.status == 202
    assert answer.headers["location"] == f"batches/{answer.json['id']}"
    assert answer.headers["retry-after"] == "1"
    assert kinds(answer) == ["queued"] * 3
    assert [entry["job"]["operation"] for entry in answer.json["entries"]] == ["create", "update", "read"]
    assert not answer.json["done"]
    pipeline.drain()
    after = shown(pipeline, answer)
    assert after["done"]
    assert after["counts"] == {**dict.fromkeys(answer.json["counts"], 0), "succeeded": 3}
    read = pipeline.request("GET", f"/jobs/{after['entries'][2]['job']['id']}").json
    assert read["result"]["n"] == 1
    yurt = pipeline.request("GET", f"/items/{after['entries'][0]['job']['item_id']}")
    assert yurt.json["name"] == "Yurt"
    pipeline.check_consistent()


def test_a_full_batch_of_different_items_takes_ten_calls(pipeline: Pipeline) -> None:
    answer = post(pipeline, *(create(f"Tent {n}") for n in range(MAX_COMMANDS)))
    assert answer.status == 202
    assert kinds(answer) == ["queued"] * MAX_COMMANDS
    assert [len(groups) for groups in pipeline.queue.calls] == [10] * 10
    assert len({entry["job"]["id"] for entry in answer.json["entries"]}) == MAX_COMMANDS
    pipeline.drain()
    assert shown(pipeline, answer)["counts"]["succeeded"] == MAX_COMMANDS
    pipeline.check_consistent()


def test_commands_of_one_item_go_one_by_one_in_their_order(pipeline: Pipeline) -> None:
    tent, yurt = an_item(pipeline), an_item(pipeline, "Yurt")
    answer = post(pipeline, *(merge(each, n=n) for n in range(3) for each in (tent, yurt)))
    assert pipeline.queue.calls == [[tent, yurt]] * 3
    pipeline.drain()
    assert shown(pipeline, answer)["counts"]["succeeded"] == 6
    for each in (tent, yurt):
        assert pipeline.request("GET", f"/items/{each}").json["n"] == 2


def test_two_creates_with_one_name_do_not_both_succeed(pipeline: Pipeline) -> None:
    answer = post(pipeline, create("Tent"), create("Tent"))
    pipeline.drain()
    assert sorted(kinds(pipeline.request("GET", f"/batches/{answer.json['id']}"))) == ["failed", "succeeded"]


def test_commands_beyond_a_messages_size_become_claim_checks(pipeline: Pipeline) -> None:
    tent = an_item(pipeline)
    large = "x" * MAX_COMMAND_BYTES
    answer = post(
        pipeline, merge(tent, n=1), merge(tent, n=2, text=large), merge(tent, n=3), create("L", text=large)
    )
    assert kinds(answer) == ["queued"] * 4
    assert len(pipeline.documents.keys("claims/")) == 2
    pipeline.drain()
    assert pipeline.request("GET", f"/items/{tent}").json["n"] == 3
    pipeline.check_consistent()


def test_a_bad_command_is_refused_by_itself(pipeline: Pipeline) -> None:
    answer = post(pipeline, create("Tent"), {"operation": "create", "item": {"name": 7}}, [], create("Yurt"))
    assert kinds(answer) == ["queued", "400", "400", "queued"]
    pointers = [e["problem"]["errors"][0]["pointer"] for e in answer.json["entries"] if "problem" in e]
    assert pointers == ["#/commands/1/item/description", "#/commands/2"]
    assert answer.json["counts"]["refused"] == 2
    pipeline.drain()
    after = shown(pipeline, answer)
    assert after["done"]
    assert after["entries"][1:3] == answer.json["entries"][1:3], "and it stays in the batch"
    assert after["counts"]["succeeded"] == after["counts"]["refused"] == 2
    assert len(pipeline.items.rows) == 2


def test_a_document_that_grows_too_large_is_refused_by_itself(pipeline: Pipeline) -> None:
    many = ",".join(["1e15"] * (MAX_DOCUMENT_BYTES // 10))
    grown = f'{{"operation":"create","item":{{"name":"n","description":"d","x":[{many}]}}}}'
    raw = f'{{"commands":[{grown},{json.dumps(create("Tent"))}]}}'
    answer = pipeline.request("POST", "/batches", raw=raw)
    assert kinds(answer) == ["413", "queued"]


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ([], 400, None),
        ({}, 400, "#/commands"),
        ({"commands": {}}, 400, "#/commands"),
        ({"commands": []}, 400, "#/commands"),
        ({"commands": [create(f"{n}") for n in range(MAX_COMMANDS + 1)]}, 400, "#/commands"),
        ({"commands": [create("Tent")], "atomic": True}, 400, "#"),
        ({"commands": [create("x" * MAX_DOCUMENT_BYTES)]}, 413, None),
        ({"commands": [{"operation": "fly"}, 7]}, 400, "#/commands/0/operation"),
    ],
)
def test_an_invalid_batch_leaves_no_trace(pipeline: Pipeline, body: Any, status: int, pointer: str | None) -> None:
    before = pipeline.state()
    answer = pipeline.request("POST", "/batches", body, headers=KEY)
    assert answer.status == status, answer.text
    if pointer is not None:
        assert answer.json["errors"][0]["pointer"] == pointer
    assert pipeline.state() == before


def test_a_batch_has_the_name_that_its_first_request_gave(pipeline: Pipeline) -> None:
    body = {"commands": [create("Tent")], "name": "ü" * 100}
    answer = pipeline.request("POST", "/batches", body, headers=KEY)
    assert (answer.status, answer.json["name"]) == (202, "ü" * 100)
    again = pipeline.request("POST", "/batches", body | {"name": "another"}, headers=KEY)
    assert (again.json["id"], again.json["name"]) == (answer.json["id"], "ü" * 100)
    assert pipeline.request("GET", answer.json["links"]["self"]).json["name"] == "ü" * 100
    assert "name" not in post(pipeline, create("Yurt")).json


@pytest.mark.parametrize("name", ["", "x" * 101, None, 5, ["x"], "a\0", "\ud800"], ids=repr)
def test_a_name_that_no_row_can_hold_is_refused(pipeline: Pipeline, name: Any) -> None:
    answer = pipeline.request("POST", "/batches", {"commands": [create("Tent")], "name": name})
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, "#/name")
    assert pipeline.batches.rows == {}


def test_if_no_command_is_valid_the_response_has_each_error(pipeline: Pipeline) -> None:
    answer = post(pipeline, {"operation": "fly"}, 7, {"operation": "delete"})
    assert answer.status == 400
    assert [error["pointer"] for error in answer.json["errors"]] == [
        *("#/commands/0/operation", "#/commands/1", "#/commands/2/item_id")
    ]


@pytest.mark.parametrize("header", ["if-match", "if-none-match"])
def test_a_precondition_of_a_whole_batch_is_refused(pipeline: Pipeline, header: str) -> None:
    assert post(pipeline, create("Tent"), headers={header: "*"}).status == 400
    assert not pipeline.jobs.rows


def test_refusals_fit_the_row(pipeline: Pipeline) -> None:
    deep: Any = "\0"
    for _ in range(30):
        deep = {"\U0001f600" * 80: deep}
    commands = [create("Tent"), *(create("Yurt", x=deep) for _ in range(90))]
    answer = pipeline.request("POST", "/batches", raw=json.dumps({"commands": commands}, ensure_ascii=False))
    assert kinds(answer) == ["queued", *["400"] * 90]
    assert len(json.dumps(batch_to_row(pipeline.batches.rows[answer.json["id"]]))) < 300_000


@pytest.mark.parametrize("depth", [31, 100, 400, 900])
def test_a_refused_command_may_have_any_depth(pipeline: Pipeline, depth: int) -> None:
    deep = "[" * depth + "0.10000000000000000000001" + "]" * depth
    answer = pipeline.request("POST", "/batches", raw=f'{{"commands":[{json.dumps(create("Tent"))},{deep}]}}')
    assert answer.status in {202, 400}


def test_another_callers_batch_is_not_found(pipeline: Pipeline) -> None:
    batch = post(pipeline, create("Tent")).json["id"]
    answers = [pipeline.request("GET", f"/batches/{each}", owner="bob") for each in (batch, f"batch-{'0' * 32}")]
    assert [answer.status for answer in answers] == [404, 404]
    assert answers[0].json["detail"] == answers[1].json["detail"]


def test_a_batch_is_no_job_and_a_job_no_batch(pipeline: Pipeline) -> None:
    answer = post(pipeline, create("Tent"), headers=KEY)
    job = answer.json["entries"][0]["job"]["id"]
    assert is_job_id(job)
    assert not is_job_id(answer.json["id"])
    for method, target in (("GET", ""), ("DELETE", ""), ("POST", "/retry")):
        assert pipeline.request(method, f"/jobs/{answer.json['id']}{target}").status == 404
    assert pipeline.request("GET", f"/batches/{job}").status == 404


def test_a_batch_that_has_expired_is_not_found(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = post(pipeline, create("Tent"))
    later = datetime.now(UTC) + timedelta(days=36)
    monkeypatch.setattr("api_lambda.chalicelib.endpoints.batches.now", lambda: later)
    assert pipeline.request("GET", f"/batches/{answer.json['id']}").status == 404


def test_the_jobs_of_a_batch_can_be_polled_cancelled_and_retried(pipeline: Pipeline) -> None:
    answer = post(pipeline, create("Tent"), create("Yurt"))
    tent, yurt = (entry["job"]["id"] for entry in answer.json["entries"])
    assert pipeline.request("DELETE", f"/jobs/{tent}").status == 200
    pipeline.drain()
    assert kinds(pipeline.request("GET", f"/batches/{answer.json['id']}")) == ["cancelled", "succeeded"]
    assert pipeline.request("GET", f"/jobs/{yurt}").json["result"]["name"] == "Yurt"
