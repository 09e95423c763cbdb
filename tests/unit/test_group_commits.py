"""Which commands of a batch are committed together, and which go alone; the stores in memory count their calls."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.errors import Unavailable
from jobpipe.domain.limits import MAX_KEPT_BYTES
from tests.helpers.job_states import item
from tests.helpers.pipeline import Pipeline
from tests.helpers.shop import order, shop
from worker_lambda.chalicelib import group_commit, runs

SHARED = ("rows", "commit", "commit_alone")


class Counted(Pipeline):
    """A pipeline whose stores count their calls."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.calls: Counter[str] = Counter()
        for store, names in (
            (self.groups, SHARED),
            (self.items, ("get", "commit")),
            (self.documents, ("put", "get", "delete", "delete_together")),
            (self.jobs, ("fail", "succeed")),
        ):
            for name in names:
                setattr(store, name, self._counted(name, getattr(store, name)))

    def _counted(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            self.calls[name] += 1
            return method(*args, **named)

        return call

    def made(self) -> dict[str, int]:
        """Work once, and return the calls."""
        self.calls.clear()
        assert self.work() == {"batchItemFailures": []}
        return dict(self.calls)


@pytest.fixture
def pipeline() -> Counted:
    return Counted(registry=shop())


def created(pipeline: Pipeline, *names: str) -> list[str]:
    ids = [pipeline.request("POST", "/items", item(name)).json["item_id"] for name in names]
    pipeline.drain()
    return ids


def statuses(pipeline: Pipeline) -> Counter[str]:
    return Counter(job.status.value for job in pipeline.jobs.rows.values())


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


def failing(*_: Any) -> Any:
    raise Unavailable("Down.")


def test_a_put_that_fails_returns_only_its_own_message(pipeline: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    put = pipeline.documents.put

    def fails_for_tent(key: str, text: str) -> Any:
        return failing() if '"tent"' in text else put(key, text)

    monkeypatch.setattr(pipeline.documents, "put", fails_for_tent)
    for name in ("tent", "yurt", "hut"):
        pipeline.request("POST", "/items", item(name))
    assert len(pipeline.work()["batchItemFailures"]) == 1
    assert statuses(pipeline) == {"retrying": 1, "succeeded": 2}
    monkeypatch.setattr(pipeline.documents, "put", put)
    pipeline.drain()
    assert statuses(pipeline) == {"succeeded": 3}
    assert len(pipeline.documents.current) == 3


def test_a_slow_put_does_not_hold_up_the_others(pipeline: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    put, committed = pipeline.documents.put, threading.Event()
    commit = pipeline.groups.commit

    def waits_for_the_others(key: str, text: str) -> Any:
        if '"tent"' in text:
            assert committed.wait(30), "the others wait for this put"
        return put(key, text)

    def noted(*args: Any) -> Any:
        results = commit(*args)
        committed.set()
        return results

    monkeypatch.setattr(pipeline.documents, "put", waits_for_the_others)
    monkeypatch.setattr(pipeline.groups, "commit", noted)
    for name in ("tent", "yurt", "hut"):
        pipeline.request("POST", "/items", item(name))
    assert pipeline.made() == {"put": 3, "commit": 1, "commit_alone": 1}
    assert statuses(pipeline) == {"succeeded": 3}


@pytest.mark.parametrize("method", SHARED[:2])
@pytest.mark.parametrize("error", [Unavailable("Down."), RuntimeError("a bug of ours")])
def test_commands_do_not_need_their_group(
    pipeline: Counted, monkeypatch: pytest.MonkeyPatch, method: str, error: Exception
) -> None:
    (item_id,) = created(pipeline, "tent")

    def broken(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(pipeline.groups, method, broken)
    pipeline.request("PUT", f"/items/{item_id}", {"n": 1})
    pipeline.request("PUT", f"/items/{item_id}", {"n": 2})
    pipeline.request("POST", "/items", item("yurt"))
    assert pipeline.work() == {"batchItemFailures": []}
    assert statuses(pipeline) == {"succeeded": 4}
    assert len(pipeline.documents.current) == 2, "the documents that the group had put are removed"


def test_superseded_documents_that_are_not_deleted_together_are_deleted_one_by_one(
    pipeline: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for item_id in created(pipeline, "tent", "yurt"):
        pipeline.request("PUT", f"/items/{item_id}", {"n": 1})
    monkeypatch.setattr(pipeline.documents, "delete_together", lambda keys: {keys[0]})
    pipeline.documents.delete([])
    assert pipeline.work() == {"batchItemFailures": []}
    assert statuses(pipeline) == {"succeeded": 4}
    assert len(pipeline.documents.current) == 3, "the stand-in has deleted only what was named as not deleted"


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


def test_of_several_commands_that_are_interrupted_each_goes_alone(
    pipeline: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bucket is down: a read does not need it, so only the update behind it waits."""
    one, two = created(pipeline, "tent", "yurt")
    read = pipeline.request("POST", "/jobs", {"operation": "read", "item_id": one}).json["id"]
    update = pipeline.request("PUT", f"/items/{one}", {"n": 1}).json["id"]
    pipeline.request("POST", "/jobs", {"operation": "read", "item_id": two})
    monkeypatch.setattr(pipeline.documents, "put", failing)
    assert len(pipeline.work()["batchItemFailures"]) == 1
    assert pipeline.request("GET", f"/jobs/{read}").json["status"] == "succeeded"
    waiting = pipeline.request("GET", f"/jobs/{update}").json
    assert (waiting["status"], waiting["attempts"]) == ("retrying", 0)


def test_commands_without_a_put_do_not_wait_for_those_of_others(
    pipeline: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, committed = pipeline.documents.put, threading.Event()
    commit = pipeline.groups.commit

    def waits_for_the_others(key: str, text: str) -> Any:
        assert committed.wait(30), "the others wait for this put"
        return put(key, text)

    def noted(*args: Any) -> Any:
        results = commit(*args)
        committed.set()
        return results

    one, two = created(pipeline, "tent", "yurt")
    monkeypatch.setattr(pipeline.documents, "put", waits_for_the_others)
    monkeypatch.setattr(pipeline.groups, "commit", noted)
    pipeline.request("PUT", f"/items/{one}", {"n": 1})
    pipeline.request("DELETE", f"/items/{two}")
    assert pipeline.work() == {"batchItemFailures": []}
    assert statuses(pipeline) == {"succeeded": 4}


def test_a_put_ends_before_its_invocation_even_when_time_is_short(
    pipeline: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its object would arrive when nobody looks for it any more."""
    put, ended = pipeline.documents.put, threading.Event()
    commit = pipeline.groups.commit

    def slow(key: str, text: str) -> Any:
        if '"tent"' in text:
            time.sleep(4 * group_commit._PUT_GRACE)
            ended.set()
        return put(key, text)

    def late(*args: Any) -> Any:
        results = commit(*args)
        pipeline.context.milliseconds = int(pipeline.reserve_seconds * 1000) - 1
        return results

    monkeypatch.setattr(pipeline.documents, "put", slow)
    monkeypatch.setattr(pipeline.groups, "commit", late)
    for name in ("tent", "yurt"):
        pipeline.request("POST", "/items", item(name))
    assert len(pipeline.work()["batchItemFailures"]) == 1
    assert ended.is_set()
    pipeline.context.milliseconds = 29_000
    pipeline.drain()
    assert statuses(pipeline) == {"succeeded": 2}
    assert len(pipeline.documents.current) == 2


def test_a_failed_job_keeps_every_command_of_a_group_in_its_row() -> None:
    """A group puts no claim check; a character has at most four bytes."""
    assert 4 * runs.LONGEST_BODY <= MAX_KEPT_BYTES
