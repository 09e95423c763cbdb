"""The owner and the role of an API key, and what each role may do."""

from __future__ import annotations

import string
import uuid
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_lambda.chalicelib.application import build_app
from api_lambda.chalicelib.endpoints.routes import ROUTES
from api_lambda.chalicelib.http.callers import Caller, Right, Role, caller_of, owner_of
from infra.keys.api_keys import new_api_key
from jobpipe.domain.errors import Forbidden, InternalError
from jobpipe.domain.jobs.job import Job, Status
from tests.helpers.hostile import cursor
from tests.helpers.pipeline import Answer, Pipeline

OWNERS = st.from_regex(r"[a-z][a-z0-9]{0,62}", fullmatch=True)
SECRETS = st.from_regex(r"[0-9a-f]{32}", fullmatch=True)
LETTERS = {Role.READER: "R", Role.WRITER: "W", Role.OPERATOR: "O", None: ""}


def key_of(owner: str, role: Role | None) -> str:
    return f"{owner}{LETTERS[role]}{uuid.uuid4().hex}"


@pytest.mark.parametrize("owner", ["operator", "a", "deadbeef", "team7", "a" * 63])
@pytest.mark.parametrize("role", Role)
def test_all_keys_of_an_owner_stand_for_it(owner: str, role: Role) -> None:
    first, second = new_api_key(owner, role), new_api_key(owner, role)
    assert first != second
    assert caller_of(first) == caller_of(second) == Caller(owner, role)
    assert caller_of(key_of(owner, None)) == Caller(owner, None), "a key that an earlier release has made"


@given(OWNERS, st.sampled_from([None, *Role]), SECRETS, OWNERS, st.sampled_from([None, *Role]), SECRETS)
def test_no_key_can_be_read_as_that_of_another_owner_or_role(
    owner: str, role: Role | None, secret: str, other: str, others_role: Role | None, others_secret: str
) -> None:
    """Also a name that ends like a secret, or that has the name of a role at its end."""
    key, another = f"{owner}{LETTERS[role]}{secret}", f"{other}{LETTERS[others_role]}{others_secret}"
    assert caller_of(key) == Caller(owner, role)
    assert (key == another) <= ((owner, role) == (other, others_role))


@given(OWNERS, st.sampled_from(["reader", "writer", "operator", "r", "w", "o"]), SECRETS)
def test_the_name_of_a_role_in_an_owners_name_is_no_role(owner: str, word: str, secret: str) -> None:
    name = f"{owner[:50]}{word}"
    assert caller_of(f"{name}{secret}") == Caller(name, None)
    assert caller_of(f"{name}W{secret}") == Caller(name, Role.WRITER)


@given(OWNERS, st.text(string.ascii_uppercase, min_size=1, max_size=2), SECRETS)
def test_other_letters_are_no_role(owner: str, letters: str, secret: str) -> None:
    caller = caller_of(f"{owner}{letters}{secret}")
    if letters in LETTERS.values():
        assert caller.owner == owner
    else:
        assert caller.owner.startswith("key-")
        assert caller.role is None


@pytest.mark.parametrize(
    "key",
    [
        *("x" * 40, "0" * 40, "Operator" + "0" * 32, "op-erator" + "0" * 32, "a" * 64 + "0" * 32, "é" + "0" * 32),
        *("aliceO" + "0" * 31, "aliceO" + "A" * 32, "Oalice" + "0" * 32, "O" + "0" * 32),
        *("aliceO" + "0" * 32 + "\n", "alice" + "0" * 32 + "O"),
    ],
)
def test_a_key_of_another_form_stands_for_itself_and_is_not_stored(key: str) -> None:
    caller = caller_of(key)
    assert caller.owner.startswith("key-")
    assert caller.role is None
    assert key not in caller.owner
    assert caller.owner != owner_of(key + "0")
    assert caller_of(key) == caller


MINE, FORGED = new_api_key("mallory"), "alice" + "0" * 32
FORGED_OPERATOR = "aliceO" + "0" * 32


@pytest.mark.parametrize(
    "several",
    [
        {"x-api-key": [MINE, FORGED]},
        {"x-api-key": [FORGED, MINE]},
        {"x-api-key": [MINE], "X-API-KEY": [FORGED]},
        {"X-API-KEY": [FORGED], "x-api-key": [MINE]},
        {"x-api-key": [f"{MINE}, {FORGED}"]},
        {"x-api-key": [f"{MINE}, {FORGED_OPERATOR}"]},
    ],
)
@pytest.mark.parametrize("checked_key", [MINE, ""], ids=["the gateway tells", "it does not"])
def test_a_second_key_does_not_change_the_caller(
    pipeline: Pipeline, several: dict[str, list[str]], checked_key: str
) -> None:
    job = pipeline.request("POST", "/items", {"name": "n", "description": "d"}, owner="alice").json
    path = f"/jobs/{job['id']}"
    assert pipeline.request("GET", path, owner="alice").status == 200
    # Of two keys it is not known which one the gateway has checked, unless it tells.
    expected = 404 if checked_key else 403
    assert pipeline.request("GET", path, several=several, checked_key=checked_key).status == expected
    listed = pipeline.request("GET", "/jobs?status=failed&owner=*", several=several, checked_key=checked_key)
    assert listed.status == 403


def test_the_key_that_the_gateway_checked_is_the_one_that_counts(pipeline: Pipeline) -> None:
    job = pipeline.request("POST", "/items", {"name": "n", "description": "d"}, owner="alice").json
    path = f"/jobs/{job['id']}"
    assert pipeline.request("GET", path, owner="alice", checked_key=MINE).status == 404
    assert pipeline.request("GET", path, owner="mallory", checked_key=new_api_key("alice")).status == 200
    reader = key_of("alice", Role.READER)
    headers = {"x-api-key": key_of("alice", Role.OPERATOR)}
    assert pipeline.request("DELETE", path, headers=headers, checked_key=reader).status == 403


@pytest.mark.parametrize("key", ["", f"{MINE}, {FORGED_OPERATOR}", f"{MINE},{MINE}"], ids=["none", "two", "twice"])
def test_no_key_and_several_keys_are_refused(key: str) -> None:
    with pytest.raises(Forbidden):
        owner_of(key)


# --- every route and every role -----------------------------------------------------------------------------------

ALL, CHANGES, STATS = {*LETTERS}, {Role.WRITER, None, Role.OPERATOR}, {None, Role.OPERATOR}
ALLOWED: dict[tuple[str, str], set[Role | None]] = {
    ("POST", "/items"): CHANGES,
    ("GET", "/items"): ALL,
    ("GET", "/items/{item_id}"): ALL,
    ("PUT", "/items/{item_id}"): CHANGES,
    ("PATCH", "/items/{item_id}"): CHANGES,
    ("DELETE", "/items/{item_id}"): CHANGES,
    ("POST", "/jobs"): CHANGES,
    ("GET", "/jobs"): ALL,
    ("GET", "/jobs/{job_id}"): ALL,
    ("DELETE", "/jobs/{job_id}"): CHANGES,
    ("POST", "/jobs/{job_id}/retry"): CHANGES,
    ("POST", "/jobs/{job_id}/dismiss"): CHANGES,
    ("POST", "/batches"): CHANGES,
    ("GET", "/batches/{batch_id}"): ALL,
    ("DELETE", "/batches/{batch_id}"): CHANGES,
    ("POST", "/batches/{batch_id}/retry"): CHANGES,
    ("POST", "/webhooks"): CHANGES,
    ("GET", "/webhooks"): ALL,
    ("GET", "/webhooks/{webhook_id}"): ALL,
    ("PATCH", "/webhooks/{webhook_id}"): CHANGES,
    ("DELETE", "/webhooks/{webhook_id}"): CHANGES,
    ("POST", "/webhooks/{webhook_id}/rotate"): CHANGES,
    ("POST", "/webhooks/{webhook_id}/test"): CHANGES,
    ("POST", "/webhooks/{webhook_id}/replay"): CHANGES,
    ("GET", "/webhooks/{webhook_id}/deliveries"): ALL,
    ("POST", "/webhooks/{webhook_id}/deliveries/{event_id}/replay"): CHANGES,
    ("GET", "/stats"): STATS,
}
"""Who may use each route; a route that needs no key is not in it."""


def test_every_route_has_its_rule() -> None:
    """A route that is added needs a line above, so that nobody may use it by accident."""
    assert {(route.method, route.path) for route in ROUTES if not route.open} == set(ALLOWED)


def request_as(pipeline: Pipeline, role: Role | None, method: str, target: str, **options: Any) -> Answer:
    owner = options.pop("owner", "alice")
    return pipeline.request(method, target, headers={"x-api-key": key_of(owner, role)}, **options)


@pytest.mark.parametrize("role", LETTERS)
@pytest.mark.parametrize("route", ALLOWED, ids=" ".join)
def test_each_role_may_use_its_routes_only(route: tuple[str, str], role: Role | None) -> None:
    pipeline, (method, path) = Pipeline(), route
    failed = pipeline.do("DELETE", "/items/nope")
    item = pipeline.do("POST", "/items", {"name": "n", "description": "d"})
    batch = pipeline.request("POST", "/batches", {"commands": [{"operation": "read", "item_id": "i"}]}).json
    new_webhook = {"url": "https://receiver.example/in", "events": ["job.ended"]}
    webhook = pipeline.request("POST", "/webhooks", new_webhook).json
    event = pipeline.request("POST", f"/webhooks/{webhook['id']}/test").json
    body = {
        "/items": {"name": "m", "description": "d"},
        "/items/{item_id}": {"price": 1},
        "/jobs": {"operation": "read", "item_id": "i"},
        "/batches": {"commands": [{"operation": "read", "item_id": "i"}]},
        "/webhooks": new_webhook,
        "/webhooks/{webhook_id}": {"paused": True},
        "/webhooks/{webhook_id}/replay": {"since": webhook["created_at"]},
    }
    ids = {"webhook_id": webhook["id"], "event_id": event["event"]}
    target = path.format(item_id=item["item_id"], job_id=failed["id"], batch_id=batch["id"], **ids)
    writes = method in {"POST", "PUT", "PATCH"}
    before = pipeline.state()

    answer = request_as(pipeline, role, method, target, body=body.get(path) if writes else None)

    if role in ALLOWED[route]:
        assert answer.status < 300 or answer.json["type"].endswith(":job-ended"), answer.text
        return
    assert (answer.status, answer.json["type"]) == (403, "urn:jobpipe:problem:forbidden")
    assert answer.json["detail"].startswith(f"The role of this key, {role}, does not allow this request: it needs ")
    assert pipeline.state() == before
    for raw in ("", "no JSON", "x" * 2_000_000):
        if writes:
            refused = request_as(pipeline, role, method, target, raw=raw)
            assert refused.status == 403, "the body is not looked at"
            assert request_as(pipeline, role, method, target, raw="/w==", base64_encoded=True).status == 403


def test_a_refusal_says_whose_key_is_needed() -> None:
    def detail(role: Role | None, right: Right) -> str:
        with pytest.raises(Forbidden) as refused:
            Caller("alice", role).check(right)
        return refused.value.detail

    assert detail(Role.READER, Right.CHANGE) == (
        "The role of this key, reader, does not allow this request: it needs a writer's or an operator's key."
    )
    assert detail(Role.WRITER, Right.SEE_STATS) == (
        "The role of this key, writer, does not allow this request: it needs an operator's key."
    )
    assert detail(None, Right.SEE_ALL_FAILURES) == (
        "This key has no role, which does not allow this request: it needs an operator's key."
    )


def test_a_role_costs_no_call_and_is_read_before_the_stores_are_opened() -> None:
    def closed() -> Any:
        raise AssertionError("the stores were opened")

    pipeline = Pipeline()
    pipeline.app = build_app("test", closed)
    assert request_as(pipeline, Role.READER, "POST", "/items", body={"name": "n", "description": "d"}).status == 403
    assert pipeline.request("GET", "/items").status == 500, "another request opens them"


# --- the failed and retrying jobs of all callers ------------------------------------------------------------------


def with_failures() -> tuple[Pipeline, dict[str, Job]]:
    """Return a pipeline with three failed jobs and a retrying one of each of two callers, and others."""
    pipeline = Pipeline()
    for owner in ("alice", "bob"):
        for i in range(3):
            pipeline.do("DELETE", f"/items/nope{i}", owner=owner)
        pipeline.do("POST", "/items", {"name": f"{owner}'s", "description": "d"}, owner=owner)
        retrying = pipeline.request("DELETE", "/items/later", owner=owner).json
        pipeline.request("DELETE", "/items/later", owner=owner)
        row = pipeline.jobs.rows[retrying["id"]]
        pipeline.jobs.write(
            replace(row, status=Status.RETRYING, error=InternalError("It was interrupted.").to_problem())
        )
    return pipeline, dict(pipeline.jobs.rows)


def pages(pipeline: Pipeline, target: str, limit: int) -> list[Any]:
    found: list[Any] = []
    target += f"&limit={limit}"
    while target:
        answer = request_as(pipeline, Role.OPERATOR, "GET", target, owner="carol")
        assert answer.status == 200, answer.text
        found += answer.json
        link = answer.headers.get("link", "")
        target = f"/{link[1 : link.index('>')]}" if link else ""
    return found


@pytest.mark.parametrize("status", ["failed", "retrying"])
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_an_operator_sees_the_failed_and_retrying_jobs_of_all_callers(status: str, limit: int) -> None:
    pipeline, rows = with_failures()
    listed = pages(pipeline, f"/jobs?status={status}&owner=*", limit)
    assert sorted((job["id"], job["owner"]) for job in listed) == sorted(
        (job.job_id, job.owner) for job in rows.values() if job.status == status
    )
    bobs = pages(pipeline, f"/jobs?status={status}&owner=bob", limit)
    assert [job["id"] for job in bobs] == [
        job["id"] for job in pipeline.request("GET", f"/jobs?status={status}", owner="bob").json
    ]
    assert {job["owner"] for job in bobs} == {"bob"}
    assert pages(pipeline, f"/jobs?status={status}", limit) == []
    assert pages(pipeline, f"/jobs?status={status}&owner=*&collection=orders", limit) == []


def test_an_operator_reads_another_callers_job_while_it_is_failed_or_retrying() -> None:
    pipeline, rows = with_failures()
    for job in rows.values():
        answer = request_as(pipeline, Role.OPERATOR, "GET", f"/jobs/{job.job_id}?wait=0", owner="carol")
        if job.status in {Status.FAILED, Status.RETRYING}:
            assert (answer.status, answer.json["owner"]) == (200, job.owner)
        else:
            assert answer.status == 404
        assert "owner" not in pipeline.request("GET", f"/jobs/{job.job_id}", owner=job.owner).json
        for method, target in (("DELETE", f"/jobs/{job.job_id}"), ("POST", f"/jobs/{job.job_id}/retry")):
            assert request_as(pipeline, Role.OPERATOR, method, target, owner="carol").status == 404
        for role in (Role.READER, Role.WRITER, None):
            assert request_as(pipeline, role, "GET", f"/jobs/{job.job_id}", owner="carol").status == 404
    assert pipeline.jobs.rows == rows


@pytest.mark.parametrize("role", [Role.READER, Role.WRITER, None])
@pytest.mark.parametrize("query", ["status=failed&owner=*", "status=failed&owner=alice", "owner=*", "owner="])
def test_only_an_operator_may_name_an_owner(pipeline: Pipeline, role: Role | None, query: str) -> None:
    answer = request_as(pipeline, role, "GET", f"/jobs?{query}")
    assert (answer.status, answer.json["type"]) == (403, "urn:jobpipe:problem:forbidden")


@pytest.mark.parametrize(
    "query",
    [
        *("owner=*", "owner=bob", "status=queued&owner=*", "status=succeeded&owner=bob"),
        *(
            "status=failed&owner=",
            "status=failed&owner=Bob",
            "status=failed&owner=b*",
            "status=failed&owner=bob%230",
        ),
        *("status=failed&owner=key-0", "status=failed&owner=a%00", "status=failed&owner=*&owner=*"),
        "status=failed&owner=*&cursor=x",
        f"status=failed&owner=*&cursor={cursor('failed#2026-01-01T00:00:00.000Z#' + 'a' * 32)}",
        f"status=failed&owner=*&cursor={cursor('lists')}",
        f"status=failed&owner=*&cursor={cursor('lists|' + 'a' * 32 + '|bob#0|queued#2026-01-01T00:00:00.000Z')}",
        f"status=failed&owner=bob&cursor={cursor('trouble')}",
    ],
)
def test_a_malformed_owner_or_cursor_is_refused(pipeline: Pipeline, query: str) -> None:
    answer = request_as(pipeline, Role.OPERATOR, "GET", f"/jobs?{query}")
    assert (answer.status, answer.json["type"]) == (400, "urn:jobpipe:problem:invalid-request")
