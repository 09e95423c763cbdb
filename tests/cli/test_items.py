"""The group `items`: what its commands print, and their exit statuses."""

from __future__ import annotations

import json

from tests.cli.conftest import Jobpipe
from tests.cli.running import TENT, documents
from tests.client.service import Canned, Service
from tests.client.service_state import problem


def test_items_are_written_and_read(jobpipe: Jobpipe) -> None:
    (item,) = documents(
        jobpipe.does("items", "create", "name=Tent", "description=For=two", "price:=12.5", "a:=null", "--json")
    )
    assert (item["description"], item["price"], item["a"]) == ("For=two", 12.5, None)
    one = item["id"]
    jobpipe.does("items", "set", one, '{"price": 11, "size": {"x": 1, "y": 2}}')
    jobpipe.does("items", "merge", one, 'size:={"x": null}')
    (shown,) = documents(jobpipe.does("items", "get", one, "--json"))
    assert (shown["price"], shown["size"]) == (11, {"y": 2})
    assert "(etag)" in jobpipe.does("items", "get", one)
    jobpipe.does("items", "create", json.dumps({**TENT, "name": "Other"}))
    assert len(jobpipe.does("items", "list").splitlines()) == 2
    assert len(documents(jobpipe.does("items", "list", "--json", "--limit", "1"))) == 1
    assert jobpipe.does("items", "delete", one) == "deleted\n"
    assert "404 not-found" in jobpipe.fails(1, "items", "get", one)


def test_how_a_write_of_an_item_ended_is_the_exit_status(jobpipe: Jobpipe, service: Service) -> None:
    jobpipe.does("items", "create", "name=Tent", "description=d")
    assert "409 name-taken" in jobpipe.fails(3, "items", "create", "name=Tent", "description=d")
    assert "404 not-found" in jobpipe.fails(3, "items", "set", "none", "a=b")
    (item_id,) = service.items
    jobpipe.fails(3, "items", "set", item_id, "a=b", "--if-match", '"old"')
    jobpipe.fails(1, "items", "create", "name=x")
    preferred = {"Preference-Applied": "wait=5"}
    for status, slug in ((413, "too-large"), (500, "internal-error")):
        service.canned.append(Canned(status, preferred, problem(status, slug)))
        jobpipe.fails(3, "items", "merge", item_id, "a=b")
    service.canned.append(Canned(404, {}, "<html>No such page</html>"))
    jobpipe.fails(1, "items", "merge", item_id, "a=b")
    jobpipe.fails(2, "items", "set", item_id, "a", "b")
    jobpipe.fails(2, "items", "set", item_id, "a:={")
    service.pause()
    jobpipe.fails(4, "items", "delete", item_id, "--timeout", "0.2")
    assert "queued" in jobpipe.does("items", "delete", item_id, "--no-wait")


def test_a_number_with_too_large_an_exponent_is_reported_on_one_line(jobpipe: Jobpipe, service: Service) -> None:
    huge = "1e" + "9" * 20
    assert "exponent" in jobpipe.fails(2, "items", "create", "name=A", "description=d", f"p:={huge}")
    assert "exponent" in jobpipe.fails(1, "submit", f'{{"operation": "create", "item": {{"p": {huge}}}}}')
    assert service.seen == []


def test_text_that_looks_like_json_is_named(jobpipe: Jobpipe, service: Service) -> None:
    made = jobpipe(
        "items", "create", "name=7", "description=[1]", "price=12.50", "old=true", "code=007", "b:=1", "--json"
    )
    (item,) = documents(made.stdout)
    assert (item["name"], item["price"], item["old"], item["code"], item["b"]) == ("7", "12.50", "true", "007", 1)
    assert made.stderr == ("read as text: price, old; to convert the values, use price:=12.50 old:=true\n")
    sizes = '{"width": 120, "height": 80, "depth": 60, "x": 1}'
    for command in ("set", "merge"):
        changed = jobpipe("items", command, item["id"], f"the size={sizes}", "price:=12.50")
        assert changed.stderr.endswith("use 'the size:=JSON'\n")
    assert service.items[item["id"]]["the size"] == sizes
    assert "409 name-taken" in jobpipe.fails(3, "items", "create", "name=7", "description=d", "price=12.5")
