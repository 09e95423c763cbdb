"""The answers of API Gateway itself, and the effects of refused requests."""

from __future__ import annotations

import pytest

from tests.helpers.deployed import Stage, problem, unique
from tests.integration.conftest import at_rest


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nope"), ("GET", "/items/a/b"), ("DELETE", "/items"), ("PUT", "/jobs"), ("POST", "/health")],
)
def test_unknown_routes_and_wrong_methods_are_problems(stage: Stage, method: str, path: str) -> None:
    answer = stage.request(method, path)
    assert answer.status_code == 404
    if stage.renders_gateway_responses:
        assert problem(answer) == "not-found"
        assert answer.headers["x-request-id"] == answer.json()["request_id"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("POST", "/items", {}, b"nonsense", 400),
        ("POST", "/items", {}, b"", 400),
        ("POST", "/items", {}, b"[]", 400),
        ("POST", "/items", {}, b'{"name":"n","description":"d","x":NaN}', 400),
        ("POST", "/items", {}, b'{"name":"n","description":"d","x":"\\ud800"}', 400),
        ("POST", "/items", {}, b'{"name":"n","description":"d","x":"\\u0000"}', 400),
        ("POST", "/items", {}, b'{"name":"n","name":"m","description":"d"}', 400),
        ("POST", "/items", {}, b'{"name":"n","description":"d","x":1e999}', 400),
        ("POST", "/items", {}, b'{"name":"n","description":"d","id":"mine"}', 400),
        ("POST", "/items", {}, b'{"name":"' + b"x" * 256 + b'","description":"d"}', 400),
        ("POST", "/items", {}, b'{"name":"n","description":"d","x":' + b"[" * 40 + b"]" * 40 + b"}", 400),
        ("POST", "/items", {}, b'{"name":"n","description":"' + b"x" * 1_050_000 + b'"}', 413),
        ("POST", "/items", {"Content-Type": "text/plain"}, b"{}", 415),
        ("POST", "/items", {"Content-Type": "application/octet-stream"}, b"\x00\xff", 415),
        ("POST", "/items", {"Idempotency-Key": "a b"}, b'{"name":"n","description":"d"}', 400),
        ("POST", "/items", {"Idempotency-Key": "x" * 256}, b'{"name":"n","description":"d"}', 400),
        ("POST", "/items", {"Prefer": "wait=21"}, b'{"name":"n","description":"d"}', 400),
        ("PUT", "/items/i", {"If-Match": "unquoted"}, b'{"x":1}', 400),
        ("PUT", "/items/i", {}, b"{}", 400),
        ("PUT", "/items/" + "x" * 129, {}, b'{"x":1}', 400),
        ("PATCH", "/items/a%0Ab", {}, b'{"x":1}', 400),
        ("PATCH", "/items/i", {}, b'{"name":null}', 400),
        ("DELETE", "/items/a%00b", {}, b"", 400),
        ("POST", "/jobs", {}, b'{"operation":"truncate"}', 400),
        ("POST", "/jobs", {}, b'{"operation":"delete"}', 400),
        ("GET", "/items?limit=0", {}, b"", 400),
        ("GET", "/items?limit=101", {}, b"", 400),
        ("GET", "/items?cursor=!!", {}, b"", 400),
        ("GET", "/jobs/nope?wait=1", {}, b"", 404),
    ],
)
def test_a_refused_request_leaves_no_trace(
    stage: Stage, method: str, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    before = at_rest(stage)
    answer = stage.request(method, path, headers=headers, raw=body)
    assert answer.status_code == status, answer.text
    assert problem(answer)
    assert at_rest(stage) == before


def test_unusual_ids_are_accepted(stage: Stage) -> None:
    for item_id in ("%C3%BCn%C3%AF", "a%20b", "a+b", "non-existent-id"):
        answer = stage.request("PUT", f"/items/{item_id}", {"x": unique("x")}, headers={"Prefer": "wait=10"})
        assert problem(answer) == "not-found"


def test_no_cors_is_offered(stage: Stage) -> None:
    answer = stage.request("GET", "/health", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in {name.lower() for name in answer.headers}
