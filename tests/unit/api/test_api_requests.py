"""A bad request is answered with a problem document, and nothing is stored or queued."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.pipeline import Answer, Pipeline

GOOD = {"name": "Tent", "description": "For two"}
TOO_DEEP = '{"name":"n","description":"d","x":' + "[" * 32 + "]" * 32 + "}"


def is_problem(answer: Answer) -> bool:
    document = answer.json
    return (
        answer.headers["content-type"] == "application/problem+json"
        and document["status"] == answer.status
        and document["type"].startswith("urn:jobpipe:problem:")
        and {"title", "detail", "request_id"} <= set(document)
    )


BAD_BODIES: list[tuple[str | None, int]] = [
    (None, 400),
    ("", 400),
    ("  ", 400),
    ("nonsense", 400),
    ("[]", 400),
    ('"text"', 400),
    ("null", 400),
    ("{}", 400),
    ('{"name":"n"}', 400),
    ('{"description":"d"}', 400),
    ('{"name":5,"description":"d"}', 400),
    ('{"name":"","description":"d"}', 400),
    ('{"name":"n","description":"d","id":"x"}', 400),
    ('{"name":"n","name":"m","description":"d"}', 400),
    ('{"name":"n","description":"d","x":NaN}', 400),
    ('{"name":"n","description":"d","x":1e400}', 400),
    ('{"name":"n","description":"d","x":' + "1" * 39 + "}", 400),
    ('{"name":"n","description":"d","x":"\\ud800"}', 400),
    ('{"name":"n","description":"d","x":"\\u0000"}', 400),
    ('{"name":"' + "x" * 256 + '","description":"d"}', 400),
    (TOO_DEEP, 400),
    ("[" * 200_000, 400),
    ('{"name":"n","description":"d","x":1E9999999999999999999}', 400),
    ('{"name":"n","description":"d","x":1E-9999999999999999999}', 400),
    ('{"name":"n","description":"d","x":0E9999999999999999999}', 400),
    ('{"name":"\u200b\u00ad ","description":"d"}', 400),
    ('{"name":"n","description":"' + "x" * 1_100_000 + '"}', 413),
]


@pytest.mark.parametrize(("body", "status"), BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_a_bad_body_leaves_no_trace(pipeline: Pipeline, body: str | None, status: int) -> None:
    before = pipeline.state()
    answer = pipeline.request("POST", "/items", raw=body)
    assert answer.status == status, answer.text
    assert is_problem(answer)
    assert pipeline.state() == before


@pytest.mark.parametrize(
    ("method", "target", "options", "status"),
    [
        ("POST", "/items", {"headers": {"content-type": "text/plain"}}, 415),
        ("POST", "/items", {"headers": {"content-type": "application/x-www-form-urlencoded"}}, 415),
        ("POST", "/items", {"headers": {"content-type": "application/json; charset=latin-1"}}, 415),
        ("POST", "/items", {"headers": {"content-type": "application/merge-patch+json"}}, 415),
        ("POST", "/items", {"headers": {"content-type": ";;;"}}, 415),
        ("POST", "/items", {"headers": {"idempotency-key": ""}}, 400),
        ("POST", "/items", {"headers": {"idempotency-key": "x" * 256}}, 400),
        ("POST", "/items", {"headers": {"idempotency-key": "a b"}}, 400),
        ("POST", "/items", {"headers": {"idempotency-key": "é"}}, 400),
        ("POST", "/items", {"headers": {"if-match": '"v"'}}, 400),
        ("POST", "/items", {"headers": {"prefer": "wait=21"}}, 400),
        ("POST", "/items", {"headers": {"prefer": "respond-async, wait=-1"}}, 400),
        ("POST", "/items", {"headers": {"prefer": "wait"}}, 400),
        ("PUT", "/items/i", {"headers": {"if-match": "v"}}, 400),
        ("PUT", "/items/i", {"headers": {"if-match": ""}}, 400),
        ("PUT", "/items/" + "x" * 129, {}, 400),
        ("PUT", "/items/a%00b", {}, 400),
        ("PUT", "/items/a%0Ab", {}, 400),
        ("PUT", "/items/a%FFb", {}, 400),
        ("PATCH", "/items/i", {"body": {"name": None}}, 400),
        ("DELETE", "/items/a%7Fb", {}, 400),
        ("GET", "/items/a%00b", {}, 400),
        ("GET", "/items/nope", {}, 404),
        ("GET", "/items?limit=0", {}, 400),
        ("GET", "/items?limit=101", {}, 400),
        ("GET", "/items?limit=x", {}, 400),
        ("GET", "/items?limit=1&limit=2", {}, 400),
        ("GET", "/items?limit=", {}, 400),
        ("GET", "/items?limit=%D9%A1", {}, 400),
        ("GET", "/items?cursor=%00", {}, 400),
        ("GET", "/items?cursor=$$$", {}, 400),
        ("GET", "/items?cursor=" + "A" * 1000, {}, 400),
        ("GET", "/items?cursor=", {}, 400),
        ("POST", "/jobs", {"body": {"operation": "truncate"}}, 400),
        ("POST", "/jobs", {"body": {"operation": "read", "item_id": "x" * 129}}, 400),
        ("POST", "/jobs", {"headers": {"if-match": '"v"'}}, 400),
        ("GET", "/jobs/nope", {}, 404),
        ("GET", "/jobs/" + "a" * 5000, {}, 404),
        ("GET", "/items?cursor=enp6eg", {}, 400),
        ("GET", "/items?cursor=M2YwZTJmMGMtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDAwMDAw=", {}, 400),
        ("POST", "/items", {"headers": {"content-encoding": "gzip"}}, 415),
        ("POST", "/items", {"headers": {"if-none-match": "*"}}, 400),
        ("PUT", "/items/i", {"headers": {"if-none-match": "*"}}, 400),
        ("DELETE", "/items/i", {"headers": {"if-unmodified-since": "x"}}, 400),
        ("POST", "/items", {"headers": {"prefer": 'wait="5'}}, 400),
        ("POST", "/items", {"headers": {"prefer": "x" * 1025}}, 400),
    ],
)
def test_a_bad_request_leaves_no_trace(
    pipeline: Pipeline, method: str, target: str, options: dict[str, Any], status: int
) -> None:
    before = pipeline.state()
    body = options.pop("body", GOOD if target != "/jobs" else {"operation": "read", "item_id": "i"})
    answer = pipeline.request(method, target, None if method in ("GET", "DELETE") else body, **options)
    assert answer.status == status, answer.text
    assert is_problem(answer)
    assert pipeline.state() == before


@pytest.mark.parametrize("wait", ["21", "-1", "x", "1.5", "1e1", "٣"])
def test_a_wait_out_of_range_is_refused(pipeline: Pipeline, wait: str) -> None:
    job = pipeline.request("POST", "/items", GOOD).json
    assert pipeline.request("GET", f"/jobs/{job['id']}?wait={wait}").status == 400


def test_a_cursor_of_another_list_is_refused(pipeline: Pipeline) -> None:
    """DynamoDB would refuse such a start key, and the response would be a 500."""
    for _ in range(2):
        pipeline.do("DELETE", "/items/nope")
    link = pipeline.request("GET", "/jobs?status=failed&limit=1").headers["link"]
    target = "/" + link[1 : link.index(">")]
    assert pipeline.request("GET", target).status == 200
    answer = pipeline.request("GET", target.replace("status=failed", "status=retrying"))
    assert answer.status == 400
    assert is_problem(answer)


@pytest.mark.parametrize(
    ("raw", "base64_encoded"),
    [("\ud800", False), ("not base64!", True), (b64encode(b'{"name":"\xff"}').decode(), True), ("/w==", True)],
)
def test_a_body_that_is_no_text_is_refused(pipeline: Pipeline, raw: str, base64_encoded: bool) -> None:
    before = pipeline.state()
    answer = pipeline.request("POST", "/items", raw=raw, base64_encoded=base64_encoded)
    assert answer.status == 400
    assert is_problem(answer)
    assert pipeline.state() == before


def test_a_body_in_base64_is_read(pipeline: Pipeline) -> None:
    body = b64encode(json.dumps(GOOD).encode()).decode()
    assert pipeline.request("POST", "/items", raw=body, base64_encoded=True).status == 202


@pytest.mark.parametrize(
    ("header", "values", "status"),
    [
        ("Idempotency-Key", ["a", "b"], 400),
        ("Content-Type", ["application/json", "application/json"], 415),
        ("If-Match", ['"a"', "*"], 400),
        ("If-Match", ['"a"', '"b"'], 202),
        ("Prefer", ["respond-async", "wait=21"], 400),
    ],
)
def test_a_header_sent_twice_is_one_list(pipeline: Pipeline, header: str, values: list[str], status: int) -> None:
    answer = pipeline.request("PUT", "/items/i", {"x": 1}, headers={header: values[-1]}, several={header: values})
    assert answer.status == status, answer.text


def test_a_request_without_a_key_is_refused_behind_the_gateway_too(pipeline: Pipeline) -> None:
    answer = pipeline.request("GET", "/items", owner="")
    assert answer.status == 403
    assert is_problem(answer)
    assert pipeline.request("GET", "/health", owner="").status == 200


headers = st.dictionaries(
    st.sampled_from(["content-type", "idempotency-key", "if-match", "prefer"]),
    st.text(st.characters(max_codepoint=255), max_size=20),
    max_size=3,
)
targets = st.sampled_from(["/items", "/jobs", "/items/i", "/items/%s", "/items?limit=1", "/jobs/x?wait=0"])
bodies = st.one_of(
    st.text(max_size=50),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["name", "description", "operation", "item", "item_id", "set", "merge"]), inner
            )
        ),
        max_leaves=8,
    ).map(json.dumps),
)


@given(st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]), targets, headers, bodies)
def test_no_request_crashes_the_api(method: str, target: str, headers: dict[str, str], body: str) -> None:
    path = target.split("?", maxsplit=1)[0]
    known = {"/items": ("GET", "POST"), "/jobs": ("POST",), "/jobs/x": ("GET",)}.get(
        path, ("GET", "PUT", "PATCH", "DELETE")
    )
    if method not in known:
        method = known[0]
    pipeline = Pipeline()
    before = pipeline.state()
    answer = pipeline.request(method, target, raw=body, headers={**headers, "prefer": "respond-async"})
    assert answer.status < 500, answer.text
    if answer.status >= 400:
        assert is_problem(answer)
        assert pipeline.state() == before
