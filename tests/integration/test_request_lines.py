"""P7 on a deployed stage: queries, slashes and ids are handled as in the contract, with any gateway."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest
import requests

from api_lambda.chalicelib.endpoints.routes import ROUTES, Route
from tests.helpers.deployed import WAIT, Stage, problem, unique

each_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
IDS = {
    "item_id": "no-such-item",
    "job_id": "a" * 32,
    "batch_id": "batch-" + "a" * 32,
    "webhook_id": "a" * 32,
    "event_id": "20261122205744123-a-ended",
}


@each_route
@pytest.mark.usefixtures("untouched")
def test_an_unknown_query_parameter_is_refused(stage: Stage, route: Route) -> None:
    body = None if route.method in ("GET", "DELETE") else {"name": unique("Query"), "description": "d"}
    for query in ("name=x", "x", "x=", "limit=1&limit=1", "=1"):
        answer = stage.request(route.method, f"{route.path.format(**IDS)}?{query}", body)
        assert answer.status_code == 400, answer.text
        assert problem(answer) == "invalid-request"


def test_links_are_correct_for_a_path_with_a_trailing_slash(stage: Stage) -> None:
    """Links are resolved against the request's URL, as in RFC 9110."""

    def follow(answer: requests.Response, link: str) -> requests.Response:
        found = urljoin(answer.url, link).removeprefix(stage.deployment.base_url)
        return stage.request("GET", found)

    item_id = stage.client.sync.create({"name": unique("Slash"), "description": "d"}).id
    failed = stage.request("DELETE", "/items/no-such-item", headers=WAIT)
    assert problem(failed) == "not-found"
    [job_id] = [job.id for job in stage.client.jobs("failed")][:1]
    for slash in ("", "/"):
        for method, path, body in (
            ("POST", "/items", {"name": unique("Slash"), "description": "d"}),
            ("PUT", f"/items/{item_id}", {"x": 1}),
            ("PATCH", f"/items/{item_id}", {"x": 2}),
            ("POST", "/jobs", {"operation": "read", "item_id": item_id}),
            ("POST", f"/jobs/{job_id}/retry", None),
            ("POST", "/batches", {"commands": [{"operation": "read", "item_id": item_id}]}),
        ):
            accepted = stage.request(method, path + slash, body)
            assert accepted.status_code == 202, accepted.text
            assert follow(accepted, accepted.headers["Location"]).json()["id"] == accepted.json()["id"]
        created = stage.request(
            "POST", f"/items{slash}", {"name": unique("Slash"), "description": "d"}, headers=WAIT
        )
        assert follow(created, created.headers["Location"]).json() == created.json()
        page = stage.request("GET", f"/items{slash}?limit=1")
        assert follow(page, page.links["next"]["url"]).status_code == 200
        assert stage.request("GET", f"/health{slash}").status_code == 200


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("path", ["/items//", "/items//no-such-item", "/jobs//"])
def test_two_slashes_in_a_row_store_nothing(stage: Stage, path: str) -> None:
    """The gateway handles two slashes at the beginning of a path: LocalStack takes them for one."""
    answer = stage.request("POST", path, {"name": unique("Slashes"), "description": "d"})
    assert answer.status_code in (403, 404), "by the gateway or by the Lambda"


@pytest.mark.parametrize(
    ("written", "item_id"),
    [
        ("%25", "%"),
        ("%2525", "%25"),
        ("%2541", "%41"),
        ("a%2Bb", "a+b"),
        ("a+b", "a+b"),
        ("a%20b", "a b"),
        ("%C3%BC%E2%82%AC", "\u00fc\u20ac"),
        ("%F0%9F%98%80", "\U0001f600"),
        ("a%3Fb%23c", "a?b#c"),
        ("%252F", "%2F"),
    ],
)
def test_an_id_is_decoded_once(stage: Stage, written: str, item_id: str) -> None:
    job = stage.request("DELETE", f"/items/{written}").json()
    assert job["item_id"] == item_id
    again = stage.request("DELETE", job["links"]["item"]).json()
    assert again["item_id"] == item_id
    for each in (job, again):
        stage.client.wait(stage.client.job(each["id"]))


def test_an_id_with_a_slash(stage: Stage) -> None:
    """The embedded emulator decodes a path before it matches the route, so that no route matches."""
    answer = stage.request("GET", "/items/a%2Fb")
    assert problem(answer) == "not-found"
    of_the_item = "There is no item a/b." in answer.json()["detail"]
    assert of_the_item == (stage.deployment.target != "embedded")
