"""Documents of an earlier schema can be read and deleted, and a change is refused unless they fit after it."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from jobpipe.domain.documents.collection import Registry
from tests.helpers.pipeline import Pipeline
from tests.helpers.shop import SHOP, compiled, order, shop


@pytest.fixture(scope="module")
def stricter(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Orders that need a channel, and have at most ten characters in a note."""
    folder = tmp_path_factory.mktemp("stricter")
    shutil.copytree(SHOP / "orders", folder / "orders")
    file = folder / "orders" / "schema.json"
    schema = json.loads(file.read_text())
    schema["properties"]["channel"] = {"enum": ["shop", "phone"]}
    schema["properties"]["note"]["maxLength"] = 10
    schema["required"].append("channel")
    file.write_text(json.dumps(schema))
    return compiled(folder, "stricter")


@pytest.fixture
def stage(stricter: Registry) -> tuple[Pipeline, str]:
    """A stage of the stricter schema, and an order that was created before."""
    old = Pipeline(registry=shop())
    item_id = old.do("POST", "/orders", order(note="a note of some length"))["result"]["id"]
    new = Pipeline(jobs=old.jobs, queue=old.queue, documents=old.documents, registry=stricter)
    new.collections.opened.update(old.collections.opened)
    return new, item_id


def errors_of(job: dict[str, Any]) -> set[str]:
    """Return the members that the failed job names."""
    assert job["status"] == "failed", job
    assert job["error"]["type"] == "urn:jobpipe:problem:invalid-request"
    said = "".join(each["pointer"] + each["detail"] for each in job["error"]["errors"])
    return {name for name in ("channel", "note") if name in said}


def test_a_document_that_no_longer_fits_can_be_read_found_and_deleted(stage: tuple[Pipeline, str]) -> None:
    pipeline, item_id = stage
    expected = {"id": item_id, **order(note="a note of some length")}
    assert pipeline.request("GET", f"/orders/{item_id}").json == expected
    assert pipeline.request("GET", "/orders").json == [expected]
    assert pipeline.request("GET", "/orders?number=A-1").json == [expected]
    read = pipeline.do("POST", "/jobs", {"operation": "read", "collection": "orders", "item_id": item_id})
    assert read["result"] == expected
    assert pipeline.do("DELETE", f"/orders/{item_id}")["status"] == "succeeded"
    assert pipeline.request("GET", f"/orders/{item_id}").status == 404
    pipeline.check_consistent()


def test_a_change_is_refused_only_if_it_leaves_the_document_invalid(stage: tuple[Pipeline, str]) -> None:
    pipeline, item_id = stage
    target = f"/orders/{item_id}"
    assert errors_of(pipeline.do("PUT", target, {"customer": "bob"})) == {"channel", "note"}
    assert errors_of(pipeline.do("PATCH", target, {"channel": "shop"})) == {"note"}
    assert errors_of(pipeline.do("POST", f"{target}/pay", {"invoice": 1})) == {"channel", "note"}
    upsert = {"operation": "upsert", "collection": "orders", "item": order(channel="phone")}
    assert errors_of(pipeline.do("POST", "/jobs", upsert)) == {"note"}
    fitting = pipeline.do("PATCH", target, {"channel": "shop", "note": None})
    assert fitting["result"] == {"id": item_id, **order(channel="shop")}
    assert pipeline.do("POST", f"{target}/pay", {"invoice": 1})["status"] == "succeeded"
    pipeline.check_consistent()


def test_a_command_that_was_accepted_before_is_judged_by_the_new_schema(stage: tuple[Pipeline, str]) -> None:
    pipeline, _ = stage
    earlier = Pipeline(jobs=pipeline.jobs, queue=pipeline.queue, documents=pipeline.documents, registry=shop())
    accepted = earlier.request("POST", "/orders", order("A-2"))
    assert accepted.status == 202
    pipeline.drain()
    assert errors_of(pipeline.request("GET", f"/jobs/{accepted.json['id']}").json) == {"channel"}
    assert not pipeline.parked.messages
