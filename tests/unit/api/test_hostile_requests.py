"""Any request is refused with a problem document, and leaves no trace, or is accepted exactly as it is."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any
from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_lambda.chalicelib.endpoints.routes import ROUTES
from jobpipe.domain.documents.item_rules import MAX_DOCUMENT_BYTES
from tests.helpers.hostile import cursor, event, events, json_like, strings
from tests.helpers.job_states import item
from tests.helpers.pipeline import Answer, Context, Pipeline

ITEM_ID = "00000000-0000-4000-8000-000000000001"
UNCHANGED: list[tuple[Pipeline, list[str], set[str]]] = []  # the last one, if no request has changed it


def send(pipeline: Pipeline, event: dict[str, Any]) -> Answer:
    """Send the request through the outermost layer, with too little time left to wait."""
    answer = pipeline.app(event, Context(milliseconds=2000))
    return Answer(answer["statusCode"], {k.lower(): v for k, v in answer["headers"].items()}, answer["body"])


def everything(pipeline: Pipeline) -> Any:
    return pipeline.state(), dict(pipeline.documents.versions), pipeline.queue.sent


def filled_pipeline() -> tuple[Pipeline, list[str], set[str]]:
    """Return a pipeline with an item and jobs of two callers, all ids, and Bob's ids."""
    pipeline = Pipeline()
    ids = [pipeline.do("POST", "/items", item("Taken"))["item_id"]]
    ids += [pipeline.do("POST", "/items", item("Taken"))["id"]]
    bobs = {pipeline.do("POST", "/items", item("Taken"), owner="bob", headers={"idempotency-key": "f"})["id"]}
    bobs |= {
        pipeline.request("PUT", f"/items/{ids[0]}", {"x": 1}, owner="bob", headers={"idempotency-key": "k"}).json[
            "id"
        ]
    }
    ids += [pipeline.request("PUT", f"/items/{ids[0]}", {"x": 2}, headers={"idempotency-key": "q"}).json["id"]]
    return pipeline, [*ids, *bobs], bobs


def is_problem(answer: Answer) -> bool:
    document = answer.json
    return (
        answer.headers["content-type"] == "application/problem+json"
        and document["status"] == answer.status
        and {"type", "title", "detail", "request_id"} <= set(document)
    )


def is_well_addressed(sent: dict[str, Any]) -> bool:
    """Return whether the route has each query parameter, none is repeated, and links from the path work."""
    [route] = [each for each in ROUTES if (each.method, each.path) == (sent["httpMethod"], sent["resource"])]
    query = sent["multiValueQueryStringParameters"] or {}
    known = all(name in route.query and len(values) == 1 for name, values in query.items())
    return known and "//" not in sent["path"]


def links(answer: Answer) -> list[str]:
    linked = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
    return [link for link in (answer.headers.get("location"), linked) if link]


@given(st.data())
def test_every_request_is_answered_and_a_refused_one_leaves_no_trace(data: st.DataObject) -> None:
    pipeline, ids, bobs = UNCHANGED.pop() if UNCHANGED else filled_pipeline()
    sent = data.draw(events(ids))
    before = everything(pipeline)
    of_bob = {job_id: pipeline.jobs.rows[job_id] for job_id in bobs}
    answer = send(pipeline, sent)
    assert answer.status < 500, answer.text
    assert all(value.isprintable() and value.isascii() for value in answer.headers.values())
    if not is_well_addressed(sent):
        assert answer.status in (400, 404)
    for link in links(answer):
        found = urljoin(f"https://stage.example{sent['path']}", link).removeprefix("https://stage.example")
        assert re.fullmatch(r"(/base)*/(items|jobs|batches|webhooks)([?].*|/[^/?]+)", found), (sent["path"], link)
    if answer.status >= 400:
        assert is_problem(answer)
        assert everything(pipeline) == before
    assert {job_id: pipeline.jobs.rows[job_id] for job_id in bobs} == of_bob
    assert not any(f"/jobs/{job_id}" in answer.text for job_id in bobs), "another caller's job is not shown"
    if everything(pipeline) == before:
        UNCHANGED.append((pipeline, ids, bobs))
        return
    pipeline.drain()
    pipeline.check_consistent()
    assert not pipeline.parked.messages, "accepted commands can be read"


exactly = json.JSONDecoder(parse_float=Decimal, parse_int=Decimal).decode
items = st.lists(
    st.tuples(strings, json_like).map(lambda pair: f",{json.dumps(pair[0])}:{pair[1]}"), max_size=4
).map(lambda members: '{"name":"n","description":"d"' + "".join(members) + "}")


@given(items)
def test_accepted_documents_are_returned_exactly(body: str) -> None:
    pipeline = Pipeline()
    answer = send(pipeline, event("POST", "/items", body=body))
    if answer.status != 202:
        assert answer.status == 400
        return
    pipeline.drain()
    shown = send(pipeline, event("GET", "/items/{item_id}", parameters={"item_id": answer.json["item_id"]}))
    assert exactly(shown.text) == {"id": answer.json["item_id"], **exactly(body)}


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset*" + "1" * 5000 + "=x",  # RFC 2231's own number, too long for an int
        "application/json; charset*=a; charset*0=b",
        "application/json; charset*=utf-16''x",
        "application/json; charset=utf-8; charset=utf-16",
        'application/json; charset="utf-8',
        "application/json; charset",
        "application/json,application/json",
        "application/json\r\nx-evil: 1",
        "application/json\0",
        "application/json/x",
        "application /json",
    ],
)
def test_a_media_type_is_one_or_it_is_refused(pipeline: Pipeline, content_type: str) -> None:
    before = everything(pipeline)
    answer = send(pipeline, event("POST", "/items", headers={"Content-Type": [content_type]}, body="{}"))
    assert answer.status == 415
    assert is_problem(answer)
    assert everything(pipeline) == before


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "APPLICATION/JSON;Charset=UTF-8",
        '\tapplication/json \t; charset="utf-8" ;; profile="a;\\"b" ; ',
        "application/json; version=1",
        "",
    ],
)
def test_a_media_type_may_be_written_in_many_ways(pipeline: Pipeline, content_type: str) -> None:
    body = json.dumps(item())
    answer = send(pipeline, event("POST", "/items", headers={"Content-Type": [content_type]}, body=body))
    assert answer.status == 202, answer.text


def test_a_cursor_of_another_list_is_refused(pipeline: Pipeline) -> None:
    """DynamoDB would refuse such a start key, and the response would be a 500."""
    for status, other in (("failed", "retrying"), ("retrying", "failed")):
        for shown, expected in ((status, 200), (other, 400)):
            query = {"status": [status], "cursor": [cursor(f"{shown}#2026-01-01T00:00:00.000Z#{'a' * 32}")]}
            assert send(pipeline, event("GET", "/jobs", query=query)).status == expected


@pytest.mark.parametrize(
    "many", [",".join(["1e15"] * (MAX_DOCUMENT_BYTES // 10)), f'"{chr(0x7F) * (MAX_DOCUMENT_BYTES // 6)}"'], ids=len
)
def test_a_document_too_large_to_be_stored_is_refused_at_once(pipeline: Pipeline, many: str) -> None:
    """1e15 is written as 1000000000000000.0: a body within the limit may be a document that is not."""
    for method, path, parameters in (("POST", "/items", {}), ("PUT", "/items/{item_id}", {"item_id": ITEM_ID})):
        before = everything(pipeline)
        body = f'{{"name":"n","description":"d","x":[{many}]}}'
        answer = send(pipeline, event(method, path, parameters=parameters, body=body))
        assert len(body) < MAX_DOCUMENT_BYTES
        assert answer.status == 413
        assert is_problem(answer)
        assert everything(pipeline) == before
