"""With `Prefer: wait=10` the API behaves as the synchronous one that it replaces."""

from __future__ import annotations

from typing import Any

import pytest

from tests.helpers.deployed import WAIT, Stage, problem, unique


def item(**more: Any) -> dict[str, Any]:
    return {"name": unique("Tent"), "description": "For two", **more}


def test_create_read_update_delete(stage: Stage) -> None:
    document = item(price=12.95, tags=["outdoor", "é"], stock={"Lyon": 3})
    created = stage.request("POST", "/items", document, headers=WAIT)
    assert created.status_code == 201, created.text
    item_id = created.json()["id"]
    assert created.json() == {"id": item_id, **document}
    path = f"/items/{item_id}"
    assert stage.request("GET", path).json() == created.json()

    updated = stage.request("PUT", path, {"price": 9.5}, headers=WAIT)
    assert updated.status_code == 200
    assert updated.json() == {"id": item_id, **document, "price": 9.5}
    assert stage.request("GET", path).json() == updated.json()

    deleted = stage.request("DELETE", path, headers=WAIT)
    assert deleted.status_code == 200
    assert deleted.json()["message"]
    assert stage.request("GET", path).status_code == 404
    assert stage.request("DELETE", path, headers=WAIT).status_code == 404
    assert stage.request("PUT", path, {"price": 1}, headers=WAIT).status_code == 404


@pytest.mark.parametrize("missing", ["name", "description"])
def test_a_missing_name_or_description_is_a_400(stage: Stage, missing: str) -> None:
    document = item()
    del document[missing]
    assert problem(stage.request("POST", "/items", document, headers=WAIT)) == "invalid-request"


def test_a_taken_name_is_a_409(stage: Stage) -> None:
    document = item()
    assert stage.request("POST", "/items", document, headers=WAIT).status_code == 201
    again = stage.request("POST", "/items", document, headers=WAIT)
    assert again.status_code == 409
    assert problem(again) == "name-taken"


def test_an_unknown_item_is_a_404(stage: Stage) -> None:
    assert problem(stage.request("GET", "/items/non-existent-id")) == "not-found"
    for method, body in (("PUT", {"x": 1}), ("DELETE", None)):
        assert problem(stage.request(method, "/items/non-existent-id", body, headers=WAIT)) == "not-found"


@pytest.mark.parametrize("number", [0.1, 12.95, -1.5e-7, 1e22, 2**63, 3.141592653589793])
def test_numbers_are_stored_exactly(stage: Stage, number: float) -> None:
    created = stage.request("POST", "/items", item(number=number), headers=WAIT)
    assert created.status_code == 201
    assert stage.request("GET", f"/items/{created.json()['id']}").json()["number"] == number


def test_the_list_has_every_item_page_by_page(stage: Stage) -> None:
    made = {stage.client.create(item()).item_id for _ in range(5)}
    jobs = [stage.client.create(item()) for _ in range(5)]
    made |= {job.item_id for job in jobs}
    for job in jobs:
        stage.client.wait(job)
    assert made <= {entry.id for entry in stage.client.iter_items(page_size=3)}
    first = stage.request("GET", "/items?limit=3")
    assert 1 <= len(first.json()) <= 3, "a page ends at a megabyte too, and other tests leave large items"
    assert 'rel="next"' in first.headers["link"]
