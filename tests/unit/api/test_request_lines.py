"""Unknown parts of a request's path and query are refused on every route, before anything is stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urljoin

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api_lambda.chalicelib.contract.openapi import document
from api_lambda.chalicelib.endpoints.routes import ROUTES, Route
from api_lambda.chalicelib.request_lines import path_parameters, to_root
from jobpipe.domain.documents.item_rules import check_item_id
from tests.helpers.hostile import IDS, event
from tests.helpers.memory import RETENTION
from tests.helpers.pipeline import Answer, Pipeline

OPENAPI = document(RETENTION)
GOOD = {"name": "Tent", "description": "For two"}
WEBHOOK = {"url": "https://receiver.example/", "events": ["job.ended"]}
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/items"): GOOD,
    ("PUT", "/items/{item_id}"): {"x": 1},
    ("PATCH", "/items/{item_id}"): {"x": 1},
    ("POST", "/jobs"): {"operation": "create", "item": GOOD},
    ("POST", "/batches"): {"commands": [{"operation": "create", "item": GOOD}]},
    ("POST", "/webhooks"): WEBHOOK,
    ("PATCH", "/webhooks/{webhook_id}"): {"events": ["item.changed"]},
    ("POST", "/webhooks/{webhook_id}/replay"): {"since": "2026-11-22T20:57:44Z"},
}
NEEDED = {("GET", "/jobs"): "status=failed"}
each_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")


def in_the_document(route: Route) -> list[str]:
    """Return the query parameters of the route in the OpenAPI document."""
    operation = OPENAPI["paths"][route.path][route.method.lower()]
    names = [each["$ref"].rpartition("/")[2] for each in operation.get("parameters", [])]
    parameters = [OPENAPI["components"]["parameters"][name] for name in names]
    return [each["name"] for each in parameters if each["in"] == "query"]


class Stored:
    """A pipeline with an item, a job that failed, a batch and a webhook: a path for every route, and a body."""

    def __init__(self) -> None:
        self.pipeline = Pipeline()
        self.item_id = self.pipeline.do("POST", "/items", {**GOOD, "name": "Stored"})["item_id"]
        self.job_id = self.pipeline.do("DELETE", "/items/nope")["id"]
        commands = [{"operation": "read", "item_id": self.item_id}]
        self.batch_id = self.pipeline.request("POST", "/batches", {"commands": commands}).json["id"]
        self.pipeline.drain()
        self.webhook_id = self.pipeline.request("POST", "/webhooks", WEBHOOK).json["id"]
        self.event_id = self.pipeline.request("POST", f"/webhooks/{self.webhook_id}/test").json["event"]

    def path(self, route: Route) -> str:
        return route.path.format(**{name: getattr(self, name, "") for name in IDS})

    def ask(self, route: Route, path: str, *query: str) -> Answer:
        needed = [NEEDED[route.method, route.path]] if (route.method, route.path) in NEEDED else []
        target = path + ("?" + "&".join([*needed, *query]) if needed or query else "")
        return self.pipeline.request(route.method, target, BODIES.get((route.method, route.path)))

    def refuses(self, route: Route, path: str, *query: str) -> Answer:
        """The refusal of a request, which must have stored nothing."""
        before = self.pipeline.state()
        answer = self.ask(route, path, *query)
        assert self.pipeline.state() == before
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        return answer


@each_route
def test_the_routes_know_the_parameters_of_the_document(route: Route) -> None:
    assert list(route.query) == in_the_document(route)


@each_route
@pytest.mark.parametrize("name", ["name", "x", "", "Limit", "limit ", "cursor[]", "\u00fc", "a" * 500, "\x1b[2J"])
def test_an_unknown_query_parameter_is_refused_on_every_route(route: Route, name: str) -> None:
    stored = Stored()
    for pair in (f"{quote(name)}=1", f"{quote(name)}="):
        answer = stored.refuses(route, stored.path(route), pair)
        assert (answer.status, answer.json["type"]) == (400, "urn:jobpipe:problem:invalid-request")
        detail = answer.json["detail"]
        assert repr(name[:80]) in detail
        assert len(detail) < 600
        for known in in_the_document(route):
            assert known in detail.partition(";")[2]


@each_route
def test_a_parameter_of_another_route_is_refused_too(route: Route) -> None:
    stored = Stored()
    for name in {name for other in ROUTES for name in other.query} - set(route.query):
        assert stored.refuses(route, stored.path(route), f"{name}=1").status == 400


@each_route
def test_a_known_parameter_twice_is_refused(route: Route) -> None:
    stored = Stored()
    time = "2026-11-22T20:57:44Z"
    good = {
        "limit": "1",
        "cursor": "x",
        "status": "failed",
        "wait": "0",
        "collection": "items",
        "owner": "bob",
        "job": "a" * 32,
    }
    good |= {"since": time, "until": time}
    for name in route.query:
        answer = stored.refuses(route, stored.path(route), f"{name}={good[name]}", f"{name}={good[name]}")
        assert answer.status == 400
        assert f"{name} more than once" in answer.json["detail"]


@each_route
def test_every_link_of_an_answer_works(route: Route) -> None:
    """Links are resolved from the request's own URL, also with a trailing slash, wherever the API's root is."""
    stored = Stored()
    for i in range(3):
        stored.pipeline.do("POST", "/items", {**GOOD, "name": f"more {i}"})
        stored.pipeline.do("DELETE", f"/items/nope{i}")
        stored.pipeline.request("POST", f"/webhooks/{stored.webhook_id}/test")
    for slash in ("", "/"):
        if (route.method, route.path) == ("DELETE", "/jobs/{job_id}"):  # one that can be cancelled
            stored.job_id = stored.pipeline.request("DELETE", f"/items/waits{slash}").json["id"]
        if (route.method, route.path) == ("DELETE", "/webhooks/{webhook_id}"):  # one that can be deleted
            stored.webhook_id = stored.pipeline.request("POST", "/webhooks", WEBHOOK).json["id"]
        path = stored.path(route).removesuffix("/") + slash
        answer = stored.ask(route, path, *(["limit=1"] if "limit" in route.query else []))
        assert answer.status < 300, answer.text
        assert ("link" in answer.headers) == ("limit" in route.query)
        for link in links(answer):
            found = urljoin(f"https://stage.example/base{path}", link)
            assert found.startswith("https://stage.example/base/"), found
            assert stored.pipeline.request("GET", found.removeprefix("https://stage.example/base")).status == 200


@each_route
@pytest.mark.parametrize("before", ["", "/base", "/a/b/c"])
def test_the_root_is_found_from_the_end_of_the_path(route: Route, before: str) -> None:
    """On AWS the path in the event begins with a custom domain's mapping."""
    for path in {route.path, route.path.removesuffix("/") + "/"}:
        there = urljoin(f"https://stage.example{before}{path}", to_root({"path": before + path}, route) + "x")
        assert there == f"https://stage.example{before}/x"
    assert to_root({}, route) == to_root({"path": route.path}, route)


@each_route
def test_two_slashes_in_a_row_are_no_route(route: Route) -> None:
    """No relative link from such a path works for all clients, however gateways handle it."""
    stored = Stored()
    path = stored.path(route)
    for other in {path + "//", path.replace("/", "//", 1), path.replace("/", "//")} - {"/"}:
        answer = stored.refuses(route, other)
        assert (answer.status, answer.json["type"]) == (404, "urn:jobpipe:problem:not-found"), other


def links(answer: Answer) -> Iterator[str]:
    if "location" in answer.headers:
        yield answer.headers["location"]
    if "link" in answer.headers:
        yield answer.headers["link"].partition(">")[0].removeprefix("<")


ODD = [
    "%",
    "%25",
    "%2525",
    "%2F",
    "a/b",
    "/",
    "+",
    "a b",
    "%20",
    "\u00fc",
    "\U0001f600",
    "%zz",
    "a%",
    "..",
    "?",
    "#",
]
ids = st.lists(st.sampled_from(ODD) | st.text(max_size=4), min_size=1, max_size=4).map("".join)


def is_id(text: str) -> bool:
    try:
        check_item_id(text)
    except Exception:  # noqa: BLE001
        return False
    return "/" not in (text[-1], text[0]) and "//" not in text


@given(ids.filter(is_id))
@example("%2541")
def test_an_id_is_decoded_once(item_id: str) -> None:
    """The API decodes it if the gateway does not (AWS, LocalStack); MiniStack's gateway does."""
    as_it_came = event("DELETE", "/items/{item_id}", parameters={"item_id": quote(item_id, safe="")})
    as_it_came["path"] = f"/items/{quote(item_id, safe='')}"
    decoded = event("DELETE", "/items/{item_id}", parameters={"item_id": item_id}) | {"version": "1.0"}
    decoded["path"] = f"/items/{item_id}"
    for sent in (as_it_came, decoded):
        assert path_parameters(sent) == {"item_id": item_id}
        pipeline = Pipeline()
        answer = pipeline.app(sent, pipeline.context)
        assert answer["statusCode"] == 202, answer["body"]
        [job] = pipeline.jobs.rows.values()
        assert job.item_id == item_id


@given(ids.filter(is_id))
def test_a_link_to_an_item_leads_to_the_same_item(item_id: str) -> None:
    pipeline = Pipeline()
    first = pipeline.request("DELETE", f"/items/{quote(item_id, safe='')}")
    again = pipeline.request("DELETE", first.json["links"]["item"])
    assert first.json["item_id"] == again.json["item_id"] == item_id
