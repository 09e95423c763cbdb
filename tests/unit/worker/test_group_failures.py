"""What the commands of a batch do when a call that they share, or one of their own, fails or comes too late."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from jobpipe.domain.errors import Unavailable
from jobpipe.domain.jobs.group import Unsettled
from jobpipe.domain.limits import MAX_ATTEMPTS
from tests.helpers.counted_pipeline import SHARED, Counted, created, statuses
from tests.helpers.job_states import item
from tests.helpers.shop import shop
from worker_lambda.chalicelib import group_commit, runs
from worker_lambda.chalicelib.command_handlers import decide


@pytest.fixture
def pipeline() -> Counted:
    return Counted(registry=shop())


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
    assert pipeline.calls["commit"] == 1, "the others are committed together"
    monkeypatch.setattr(pipeline.documents, "put", put)
    pipeline.drain()
    assert statuses(pipeline) == {"succeeded": 3}
    assert len(pipeline.documents.current) == 3


def let_a_put_wait_for_the_commit(pipeline: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the put of a document with the name "tent" end only after the others are committed."""
    put, commit, committed = pipeline.documents.put, pipeline.groups.commit, threading.Event()

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


def test_a_slow_put_does_not_hold_up_the_others(pipeline: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    let_a_put_wait_for_the_commit(pipeline, monkeypatch)
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
    one, two = created(pipeline, "tent", "yurt")
    let_a_put_wait_for_the_commit(pipeline, monkeypatch)
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


def test_a_row_that_was_not_read_is_not_taken_for_a_missing_one(
    pipeline: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = created(pipeline, "tent", "yurt")
    rows = pipeline.groups.rows
    monkeypatch.setattr(
        pipeline.groups, "rows", lambda refs: {ref: row for ref, row in rows(refs).items() if ref.item_id != one}
    )
    for each in (one, two):
        pipeline.request("PUT", f"/items/{each}", {"n": 1})
    assert pipeline.work() == {"batchItemFailures": []}
    assert statuses(pipeline) == {"succeeded": 4}


def test_nothing_is_committed_when_time_is_short(pipeline: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    put = pipeline.documents.put

    def slow(key: str, text: str) -> Any:
        pipeline.context.milliseconds = int(pipeline.reserve_seconds * 1000) - 1
        return put(key, text)

    monkeypatch.setattr(pipeline.documents, "put", slow)
    for name in ("tent", "yurt"):
        pipeline.request("POST", "/items", item(name))
    assert len(pipeline.work()["batchItemFailures"]) == 2
    assert statuses(pipeline) == {"queued": 2}
    monkeypatch.setattr(pipeline.documents, "put", put)
    pipeline.context.milliseconds = 29_000
    pipeline.drain()
    assert statuses(pipeline) == {"succeeded": 2}
    assert len(pipeline.documents.current) == 2


def test_a_command_that_is_cancelled_before_the_commit_is_acknowledged(
    pipeline: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = pipeline.groups.commit
    cancelled, _ = (pipeline.request("POST", "/items", item(name)).json["id"] for name in ("tent", "yurt"))

    def late(*args: Any) -> Any:
        assert pipeline.request("DELETE", f"/jobs/{cancelled}").status == 200
        return commit(*args)

    monkeypatch.setattr(pipeline.groups, "commit", late)
    assert pipeline.work() == {"batchItemFailures": []}
    assert statuses(pipeline) == {"cancelled": 1, "succeeded": 1}
    assert len(pipeline.documents.current) == 1


def test_a_command_that_is_cancelled_while_its_put_fails_is_acknowledged(
    pipeline: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = pipeline.documents.put
    cancelled, _ = (pipeline.request("POST", "/items", item(name)).json["id"] for name in ("tent", "yurt"))

    def cancels_once(key: str, text: str) -> Any:
        if '"tent"' in text and "cancelled" not in statuses(pipeline):
            assert pipeline.request("DELETE", f"/jobs/{cancelled}").status == 200
            raise Unavailable("Down.")
        return put(key, text)

    monkeypatch.setattr(pipeline.documents, "put", cancels_once)
    assert pipeline.work() == {"batchItemFailures": []}
    assert statuses(pipeline) == {"cancelled": 1, "succeeded": 1}
    assert len(pipeline.documents.current) == 1


def test_of_several_commands_only_the_one_for_a_taken_name_fails(pipeline: Counted) -> None:
    _, yurt = created(pipeline, "tent", "yurt")
    changed = pipeline.request("PATCH", f"/items/{yurt}", {"n": 1}).json["id"]
    renamed = pipeline.request("PATCH", f"/items/{yurt}", {"name": "tent"}).json["id"]
    pipeline.request("POST", "/items", item("hut"))
    assert pipeline.work() == {"batchItemFailures": []}
    assert pipeline.request("GET", f"/jobs/{changed}").json["status"] == "succeeded"
    assert pipeline.request("GET", f"/jobs/{renamed}").json["error"]["type"].endswith("name-taken")


def test_a_refused_document_is_deleted_only_after_its_job_has_ended(
    pipeline: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then, a call whose answer was lost might still commit it."""
    created(pipeline, "tent")
    fail, stored = pipeline.jobs.fail, []

    def noted(*args: Any, **named: Any) -> None:
        stored.append(len(pipeline.documents.current))
        fail(*args, **named)

    monkeypatch.setattr(pipeline.jobs, "fail", noted)
    for name in ("tent", "yurt"):
        pipeline.request("POST", "/items", item(name))
    pipeline.drain()
    assert stored == [3]
    assert len(pipeline.documents.current) == 2


def test_what_a_run_alone_superseded_is_deleted_at_the_second_try(
    pipeline: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete, tries = pipeline.documents.delete, []

    def fails_once(keys: Any) -> None:
        tries.append(keys)
        if len(tries) == 1:
            raise Unavailable("Down.")
        delete(keys)

    for each in created(pipeline, "tent", "yurt"):
        pipeline.request("PUT", f"/items/{each}", {"n": 1})
    monkeypatch.setattr(pipeline.groups, "commit", lambda units, *_: [Unsettled.NOT_COMMITTED for _ in units])
    monkeypatch.setattr(pipeline.documents, "delete", fails_once)
    assert pipeline.work() == {"batchItemFailures": []}
    assert len(pipeline.documents.current) == 2


def test_the_document_of_a_command_that_is_given_up_is_removed(
    pipeline: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay is a new message, which can be in a group although the attempts of its job are spent."""
    put = pipeline.documents.put

    def fails_after_the_put(key: str, text: str) -> Any:
        document = put(key, text)
        if '"tent"' in text:
            raise RuntimeError("a bug of ours")
        return document

    monkeypatch.setattr(pipeline.documents, "put", fails_after_the_put)
    tent = pipeline.request("POST", "/items", item("tent")).json["id"]
    pipeline.request("POST", "/items", item("yurt"))
    pipeline.jobs.rows[tent] = replace(pipeline.jobs.rows[tent], attempts=MAX_ATTEMPTS - 1)
    assert pipeline.work() == {"batchItemFailures": []}
    assert pipeline.request("GET", f"/jobs/{tent}").json["error"]["type"].endswith("attempts-spent")
    assert len(pipeline.documents.current) == 1


def test_a_command_that_cannot_be_decided_leaves_the_others_their_group(
    pipeline: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises_for_tent(command: Any, context: Any) -> Any:
        if command.document["name"] == "tent":
            raise RuntimeError("a bug of ours")
        return decide(command, context)

    monkeypatch.setattr(runs, "decide", raises_for_tent)
    for name in ("tent", "yurt", "hut"):
        pipeline.request("POST", "/items", item(name))
    assert pipeline.made() == {"put": 3, "commit": 2}
