"""Which commands of a batch are committed together, and which go alone; the stores in memory count their calls."""

from __future__ import annotations

import pytest

from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.limits import MAX_KEPT_BYTES
from tests.helpers.counted_pipeline import Counted, created, statuses
from tests.helpers.job_states import item
from tests.helpers.shop import order, shop
from worker_lambda.chalicelib import runs


@pytest.fixture
def pipeline() -> Counted:
    return Counted(registry=shop())


def test_ten_creates_are_one_transaction(pipeline: Counted) -> None:
    for n in range(10):
        pipeline.request("POST", "/items", item(f"{n}"))
    assert pipeline.made() == {"put": 10, "commit": 1}


def test_ten_updates_of_ten_items_are_read_committed_and_cleaned_up_together(pipeline: Counted) -> None:
    for item_id in created(pipeline, *map(str, range(10))):
        pipeline.request("PUT", f"/items/{item_id}", {"n": 1})
    assert pipeline.made() == {"rows": 1, "put": 10, "commit": 1, "delete_together": 1}


def test_ten_updates_of_one_item_put_one_document(pipeline: Counted) -> None:
    (item_id,) = created(pipeline, "tent")
    jobs = [pipeline.request("PATCH", f"/items/{item_id}", {f"n{n}": n}).json["id"] for n in range(10)]
    assert pipeline.made() == {"rows": 1, "put": 1, "commit": 1, "delete_together": 1}
    results = [pipeline.request("GET", f"/jobs/{job}") for job in jobs]
    # Each job shows the document as it was after its own command, in a version of its own.
    for n, result in enumerate(results):
        fields = {name for name in result.json["result"] if name.startswith("n") and name != "name"}
        assert fields == {f"n{each}" for each in range(n + 1)}
    assert len({result.json["etag"] for result in results}) == 10
    shown = pipeline.request("GET", f"/items/{item_id}")
    assert shown.headers["etag"] == results[-1].json["etag"]


def test_a_precondition_may_name_a_version_that_was_never_stored(pipeline: Counted) -> None:
    (item_id,) = created(pipeline, "tent")
    first = pipeline.request("PUT", f"/items/{item_id}", {"n": 1}).json["id"]
    pipeline.request("PUT", f"/items/{item_id}", {"n": 2})
    pipeline.drain()
    etag = pipeline.request("GET", f"/jobs/{first}").json["etag"]
    late = pipeline.do("PUT", f"/items/{item_id}", {"n": 3}, headers={"if-match": etag})
    assert (late["status"], late["error"]["status"]) == ("failed", 412)


def test_deletes_and_reads_need_no_put(pipeline: Counted) -> None:
    one, two = created(pipeline, "tent", "yurt")
    pipeline.request("DELETE", f"/items/{one}")
    pipeline.request("POST", "/jobs", {"operation": "read", "item_id": two})
    assert pipeline.made() == {"rows": 1, "commit": 1, "delete_together": 1}


def test_a_refusal_ends_its_job_in_the_same_transaction(pipeline: Counted) -> None:
    pipeline.request("PUT", "/items/none", {"n": 1})
    pipeline.request("POST", "/items", item("tent"))
    assert pipeline.made() == {"rows": 1, "put": 1, "commit": 1}
    assert statuses(pipeline) == {"failed": 1, "succeeded": 1}


def test_a_command_that_was_refused_in_a_group_can_be_retried(pipeline: Counted) -> None:
    refused = pipeline.request("PUT", "/items/none", {"n": 1}).json["id"]
    pipeline.request("POST", "/items", item("tent"))
    pipeline.drain()
    assert pipeline.request("POST", f"/jobs/{refused}/retry").status == 202
    pipeline.drain()
    assert pipeline.request("GET", f"/jobs/{refused}").json["error"]["status"] == 404


def test_a_taken_name_costs_only_its_own_command_more_calls(pipeline: Counted) -> None:
    created(pipeline, "tent")
    refused = pipeline.request("POST", "/items", item("tent")).json["id"]
    for n in range(3):
        pipeline.request("POST", "/items", item(f"{n}"))
    assert pipeline.made() == {"put": 4, "commit": 1, "fail": 1, "delete": 1}
    error = pipeline.request("GET", f"/jobs/{refused}").json["error"]
    assert error["type"].endswith("name-taken")
    assert len(pipeline.documents.current) == 4, "its document is deleted"


def test_one_command_is_processed_as_before(pipeline: Counted) -> None:
    (item_id,) = created(pipeline, "tent")
    pipeline.request("PUT", f"/items/{item_id}", {"n": 1})
    assert pipeline.made() == {"get": 1, "put": 1, "commit": 1, "delete": 1}
    assert pipeline.calls["rows"] == 0


def test_redelivered_messages_are_not_in_a_group(pipeline: Counted) -> None:
    for n in range(3):
        pipeline.request("POST", "/items", item(f"{n}"))
    pipeline.queue.receive()  # a worker has died
    assert pipeline.made()["commit"] == 3


def test_users_operations_are_not_in_a_group(pipeline: Counted) -> None:
    orders = [pipeline.do("POST", "/orders", order(f"O-{n}"))["item_id"] for n in range(3)]
    for n, each in enumerate(orders):
        pipeline.request("POST", f"/orders/{each}/pay", {"invoice": n + 1})
    made = pipeline.made()
    assert not made.keys() & {"rows", "delete_together"}


def test_two_messages_of_one_job_are_not_in_one_transaction(pipeline: Counted) -> None:
    (item_id,) = created(pipeline, "tent")
    pipeline.request("PUT", f"/items/{item_id}", {"n": 1})
    ((message_id, envelope, receives),) = pipeline.queue.waiting
    pipeline.queue.waiting.append((f"{message_id}-copy", envelope, receives))
    pipeline.request("PUT", f"/items/{item_id}", {"n": 2})
    pipeline.request("POST", "/items", item("yurt"))
    # The first message and the create are a group; the copy finds its job ended, and the last one follows it.
    made = pipeline.made()
    assert (made["rows"], made["commit"]) == (1, 3)
    assert statuses(pipeline) == {"succeeded": 4}
    assert pipeline.request("GET", f"/items/{item_id}").json["n"] == 2


def test_a_retried_job_is_not_in_a_group(pipeline: Counted) -> None:
    (tent,) = created(pipeline, "tent")
    refused = pipeline.request("POST", "/items", item("tent")).json["id"]
    pipeline.drain()
    pipeline.do("DELETE", f"/items/{tent}")
    pipeline.request("POST", f"/jobs/{refused}/retry")
    for name in ("yurt", "hut"):
        pipeline.request("POST", "/items", item(name))
    assert pipeline.made() == {"put": 3, "commit": 2}
    assert statuses(pipeline) == {"succeeded": 5}


def test_a_command_behind_a_large_document_is_not_in_its_run(pipeline: Counted) -> None:
    """The document would have to be read in the bucket, where it is not yet."""
    tent = pipeline.request("POST", "/items", item("tent", text="x" * 2000)).json["item_id"]
    pipeline.request("PATCH", f"/items/{tent}", {"n": 1})
    pipeline.request("POST", "/items", item("yurt"))
    # The group has the two creates. The change reads the row and the document, and has a commit and a delete.
    assert pipeline.made() == {"put": 3, "commit": 2, "get": 2, "delete": 1}
    assert pipeline.request("GET", f"/items/{tent}").json["n"] == 1


def test_a_command_that_makes_a_large_document_is_not_in_a_run_with_others(pipeline: Counted) -> None:
    (tent,) = created(pipeline, "tent")
    pipeline.request("PATCH", f"/items/{tent}", {"n": 1})
    pipeline.request("PATCH", f"/items/{tent}", {"text": "x" * 2000})
    assert pipeline.made()["put"] == 2
    assert pipeline.request("GET", f"/items/{tent}").json["n"] == 1


def test_a_large_command_is_not_in_a_group(pipeline: Counted) -> None:
    for n in range(2):
        pipeline.request("POST", "/items", item(f"{n}", text="x" * runs.LONGEST_BODY))
    assert pipeline.made() == {"put": 2, "commit": 2}


def test_nothing_is_grouped_when_time_is_short(pipeline: Counted) -> None:
    for n in range(2):
        pipeline.request("POST", "/items", item(f"{n}"))
    pipeline.context.milliseconds = int(pipeline.reserve_seconds * 1000) - 1
    assert len(pipeline.work()["batchItemFailures"]) == 2
    assert not pipeline.calls.keys() & {"put", "commit"}


def test_a_document_that_is_not_in_its_row_is_not_read_for_a_group(pipeline: Counted) -> None:
    tent = pipeline.do("POST", "/items", item("tent", text="x" * 2000))["item_id"]
    pipeline.request("PATCH", f"/items/{tent}", {"n": 1})
    for name in ("yurt", "hut"):
        pipeline.request("POST", "/items", item(name))
    # The change goes alone: it reads row and document, and has a commit and a delete.
    assert pipeline.made() == {"rows": 1, "put": 3, "commit": 2, "get": 2, "delete": 1}


def test_the_commands_of_one_message_group_may_be_for_different_documents(pipeline: Counted) -> None:
    """An id of an item is any text, and so can be the message group of another caller's order."""
    stored = pipeline.do("POST", "/orders", order())["item_id"]
    group = ItemRef("orders", "", stored).group_id
    changed = pipeline.request("PUT", f"/orders/{stored}", {"note": "mine"}).json["id"]
    others = [
        pipeline.request(*request, owner="mallory").json["id"]
        for request in (
            ("DELETE", f"/items/{group}"),
            ("POST", "/jobs", {"operation": "read", "item_id": group}),
            ("PUT", f"/items/{group}", {"note": "hers"}),
        )
    ]
    pipeline.request("POST", "/items", item("tent"))
    assert pipeline.work() == {"batchItemFailures": []}
    assert pipeline.request("GET", f"/jobs/{changed}").json["status"] == "succeeded"
    assert pipeline.request("GET", f"/orders/{stored}").json["note"] == "mine"
    for each in others:
        job = pipeline.request("GET", f"/jobs/{each}", owner="mallory").json
        assert (job["status"], job["error"]["status"]) == ("failed", 404)


def test_a_failed_job_keeps_every_command_of_a_group_in_its_row() -> None:
    """A group puts no claim check; a character has at most four bytes."""
    assert 4 * runs.LONGEST_BODY <= MAX_KEPT_BYTES
