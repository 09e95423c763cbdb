"""A page of items fits in an answer, and a lost document hides no other item."""

from __future__ import annotations

import json
import logging
import uuid
from typing import Any

import pytest

from api_lambda.chalicelib.endpoints.item_pages import MAX_PAGE_BYTES, MAX_RESPONSE_BYTES
from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.documents.item import DocumentRef, MalformedItem, StoredItem
from jobpipe.domain.documents.item_rules import check_size
from jobpipe.stores.dynamodb_rows import item_to_row
from tests.helpers.pipeline import Answer, Pipeline
from tests.helpers.stubbed import Stubbed

LONG_AGO = "2026-01-01T00:00:00.000Z"
LARGE = "x" * 5_000  # not in the row, so that it can be lost
ID = "00000000-0000-4000-8000-000000000000"


def store(pipeline: Pipeline, name: str, description: str, at: str = LONG_AGO) -> str:
    """Store an item with this document without the API; return its id."""
    item_id = str(uuid.uuid4())
    text = json.dumps({"name": name, "description": description}, ensure_ascii=False, separators=(",", ":"))
    ref = pipeline.documents.put(f"items/{item_id}/x.json", text)
    pipeline.items.rows[item_id] = StoredItem(item_id, "v", name, ref, None, at, at)
    return item_id


def lose(pipeline: Pipeline, item_id: str) -> None:
    ref = pipeline.items.rows[item_id].document
    del pipeline.documents.versions[ref.key, ref.version_id], pipeline.documents.current[ref.key]


def read_all(pipeline: Pipeline, limit: int = 100) -> tuple[list[str], list[str], list[Answer]]:
    """Return the ids of the items on all pages, those of the unreadable ones, and the answers."""
    target, answers = f"/items?limit={limit}", []
    while target:
        answers.append(pipeline.request("GET", target))
        link = answers[-1].headers.get("link", "")
        target = "/" + link[1 : link.index(">")] if link else ""
    unreadable = [each for answer in answers for each in ids(answer)]
    return [item["id"] for answer in answers for item in answer.json], unreadable, answers


def ids(answer: Answer) -> list[str]:
    header = answer.headers.get("unreadable-items", "")
    return header.split(", ") if header else []


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("lost", [{0}, {3}, {6}, {0, 1, 2}, {2, 5}, set(range(7))], ids=str)
def test_a_lost_document_hides_no_other_item(pipeline: Pipeline, lost: set[int], limit: int) -> None:
    stored = sorted(store(pipeline, f"item {i}", LARGE) for i in range(7))
    for place in lost:
        lose(pipeline, stored[place])
    shown, unreadable, _ = read_all(pipeline, limit)
    assert sorted(shown) == [each for place, each in enumerate(stored) if place not in lost]
    assert sorted(unreadable) == [each for place, each in enumerate(stored) if place in lost]
    for item_id in unreadable:
        assert pipeline.request("GET", f"/items/{item_id}").status == 500


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_a_malformed_row_hides_nothing_but_itself(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], limit: int
) -> None:
    stored = sorted(store(pipeline, f"item {i}", LARGE) for i in range(4))
    pipeline.items.malformed |= {stored[0], stored[2]}
    with caplog.at_level(logging.ERROR):
        shown, unreadable, answers = read_all(pipeline, limit)
    assert {answer.status for answer in answers} == {200}
    assert (sorted(shown), sorted(unreadable)) == ([stored[1], stored[3]], [stored[0], stored[2]])
    logged = [vars(record)["item_id"] for record in caplog.records if record.message == "malformed row"]
    assert logged == unreadable
    assert '"Faults"' in capsys.readouterr().out


def test_an_id_that_was_never_assigned_is_in_no_header(pipeline: Pipeline) -> None:
    item_id = store(pipeline, "one", LARGE)
    pipeline.items.malformed.add("a\r\nrow: of a hand")
    shown, unreadable, _ = read_all(pipeline)
    assert (shown, unreadable) == ([item_id], [])


def test_a_row_that_lacks_an_attribute_is_malformed() -> None:
    good = item_to_row(StoredItem(ID, "v", "one", DocumentRef("k", "1"), None, LONG_AGO, LONG_AGO))
    wrong = [{name: good[name] for name in good if name != each} for each in good if each != "item_id"]
    wrong.append({**good, "version": {"N": "1"}})
    rows = [good, *wrong]
    stubbed = Stubbed()
    try:
        stubbed.dynamodb.add_response("scan", {"Items": rows, "Count": len(rows), "ScannedCount": len(rows)})
        [first, *others] = stubbed.items.page(100, None).items
    finally:  # the client is every test's
        for stub in stubbed.stubs.values():
            stub.deactivate()
    assert isinstance(first, StoredItem)
    assert others == [MalformedItem(ID)] * len(wrong)


def test_a_page_without_losses_has_no_such_header(pipeline: Pipeline) -> None:
    store(pipeline, "one", LARGE)
    assert "unreadable-items" not in pipeline.request("GET", "/items").headers


def test_a_lost_document_is_logged_and_counted(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    item_id = store(pipeline, "one", LARGE)
    lose(pipeline, item_id)
    with caplog.at_level(logging.ERROR):
        pipeline.request("GET", "/items")
    [line] = [record for record in caplog.records if record.message == "document missing"]
    assert vars(line)["item_id"] == item_id
    metrics = [json.loads(each) for each in capsys.readouterr().out.splitlines() if '"_aws"' in each]
    assert sum(sum(each.get("Faults", [])) for each in metrics) == 1


def test_a_document_that_is_not_visible_yet_hides_no_other_and_is_not_a_fault(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    readable = store(pipeline, "one", LARGE)
    young = store(pipeline, "two", LARGE, at=rfc3339(now()))
    lose(pipeline, young)
    shown, unreadable, _ = read_all(pipeline)
    assert (shown, unreadable) == ([readable], [young])
    metrics = [json.loads(each) for each in capsys.readouterr().out.splitlines() if '"_aws"' in each]
    assert sum(sum(each.get("Faults", [])) for each in metrics) == 0
    assert sum(sum(each.get("Unavailable", [])) for each in metrics) == 1
    assert pipeline.request("GET", f"/items/{young}").status == 503


def posted(answer: Answer) -> int:
    """Return the answer as Python 3.11's runtime sends it to Lambda: JSON with only ASCII."""
    response: dict[str, Any] = {"statusCode": answer.status, "headers": answer.headers, "body": answer.text}
    return len(json.dumps({**response, "multiValueHeaders": {}}))


WORST = {
    "ascii": "x",
    "quotes": '"',
    "backslashes": "\\",
    "control characters": "\x01",
    "delete": "\x7f",
    "two bytes": "\u00e9",
    "three bytes": "\u20ac",
    "four bytes": "\U0001f600",
}


@pytest.mark.parametrize("character", WORST.values(), ids=WORST)
@pytest.mark.parametrize("size", [100, 10_000, 180_000, 520_000, 1_040_000])
def test_every_page_fits_lambdas_answer(pipeline: Pipeline, character: str, size: int) -> None:
    each = 6 if character == "\x7f" else len(json.dumps(character, ensure_ascii=False).encode()) - 2
    check_size(json.dumps(character * (size // each), ensure_ascii=False))  # an item can be so large
    count = min(100, 7_000_000 // size)
    stored = [store(pipeline, f"{i}", character * (size // each)) for i in range(count)]
    shown, _, answers = read_all(pipeline)
    assert sorted(shown) == sorted(stored)
    for answer in answers:
        assert len(answer.text.encode()) <= MAX_PAGE_BYTES or len(answer.json) == 1
        assert posted(answer) <= MAX_RESPONSE_BYTES


def test_a_page_is_full_to_the_byte(pipeline: Pipeline) -> None:
    """Its ids, brackets and commas count as well as its documents."""
    shell = len(json.dumps({"id": ID, "name": "00", "description": ""}, separators=(",", ":")))
    each = MAX_PAGE_BYTES // 16  # sixteen items, each with its comma; the brackets are one byte more
    for i in range(16):
        store(pipeline, f"{i:02}", "x" * (each - shell - 1 - (1 if i == 0 else 0)))
    [answer] = read_all(pipeline)[2]
    assert len(answer.text.encode()) == MAX_PAGE_BYTES
    [item_id, *_] = pipeline.items.rows
    ref = pipeline.items.rows[item_id].document
    for version in (key for key in pipeline.documents.versions if key[0] == ref.key):
        pipeline.documents.versions[version] = pipeline.documents.versions[version].replace("x", "xx", 1)
    assert len(read_all(pipeline)[2]) == 2


def test_a_page_leaves_room_for_the_ids_of_unreadable_items(pipeline: Pipeline) -> None:
    """Items of an earlier release, which allowed more, together with as many lost ones as a page can name."""
    for i in range(98):
        lose(pipeline, store(pipeline, f"{i}", LARGE))
    for i in range(2):
        store(pipeline, f"last {i}", "\x7f" * (MAX_PAGE_BYTES // 2 - 100))
    shown, unreadable, answers = read_all(pipeline)
    assert (len(shown), len(unreadable)) == (2, 98)
    assert all(posted(answer) <= MAX_RESPONSE_BYTES for answer in answers)


def test_a_page_of_items_that_cannot_be_read_fits(pipeline: Pipeline) -> None:
    for i in range(100):
        lose(pipeline, store(pipeline, f"{i}", LARGE))
    [answer] = read_all(pipeline)[2]
    assert answer.json == []
    assert len(ids(answer)) == 100
    assert sum(len(name) + len(value) for name, value in answer.headers.items()) < 8_000, "API Gateway takes 10,240"
