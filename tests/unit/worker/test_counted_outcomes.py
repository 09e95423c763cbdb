"""Requests, commands and messages are counted by their outcomes, each once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobpipe.domain.errors import Unavailable
from jobpipe.runtime.metrics import meter
from tests.helpers.metric_lines import counts, written
from tests.helpers.pipeline import Pipeline
from tests.helpers.shop import order, shop, subscription
from tests.helpers.unreliable import Fault, Unreliable

pytestmark = pytest.mark.usefixtures("no_earlier_metrics")


def by_collection(lines: list[dict[str, Any]]) -> dict[tuple[str, str], float]:
    """Return the sums of the metrics that are counted by collection."""
    sums: dict[tuple[str, str], float] = {}
    for line in lines:
        for name in {"Accepted", "Succeeded", "Failed"} & line.keys():
            key = (name, line.get("collection", "items"))
            sums[key] = sums.get(key, 0) + sum(line[name])
    return sums


def fails_after(calls: int, method: Callable[..., Any], error: Exception | None = None) -> Callable[..., Any]:
    """Return the method, which raises Unavailable after so many calls."""
    left = [calls]

    def call(*args: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise error or Unavailable("Down.")
        return method(*args)

    return call


def test_commands_of_a_collection_are_counted_by_it(capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = Pipeline(registry=shop())
    commands: list[dict[str, Any]] = [
        {"operation": "create", "collection": "orders", "item": order("A-1", invoice=7)},
        {"operation": "upsert", "collection": "orders", "item": order("A-2", invoice=7)},
        {"operation": "create", "item": {"name": "tent", "description": "d"}},
    ]
    pipeline.request("POST", "/batches", {"commands": commands})
    pipeline.request("POST", "/subscriptions", subscription())
    assert by_collection(written(capsys)) == {
        ("Accepted", "orders"): 2,
        ("Accepted", "items"): 1,
        ("Accepted", "subscriptions"): 1,
    }
    pipeline.drain()
    assert by_collection(written(capsys)) == {
        ("Succeeded", "orders"): 1,
        ("Succeeded", "items"): 1,
        ("Succeeded", "subscriptions"): 1,
        ("Failed", "orders"): 1,
    }
    pipeline.request("POST", "/orders", order("A-3"))
    capsys.readouterr()
    pipeline.end_dead_letters()
    assert by_collection(written(capsys)) == {("Failed", "orders"): 1}


def test_a_command_given_up_is_counted_by_its_collection(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline(registry=shop())
    pipeline.request("POST", "/orders", order())
    monkeypatch.setattr(pipeline.documents, "put", lambda *_: 1 / 0)
    pipeline.drain()
    assert by_collection(written(capsys))["Failed", "orders"] == 1


def test_a_command_is_counted_on_both_sides(capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = Pipeline()
    pipeline.request("POST", "/items", {"name": "n", "description": "d"})
    accepted = written(capsys)
    assert counts(accepted) == {("Accepted", ""): 1}
    assert len(accepted[0]["RequestTime"]) == 1

    pipeline.work()
    worked = written(capsys)
    assert counts(worked) == {("Succeeded", ""): 1, ("BatchSize", ""): 1}
    assert len(worked[0]["AttemptTime"]) == 1
    assert 0 <= worked[0]["QueueDelay"][0] < 60_000


def test_failures_are_counted_by_their_reason(capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = Pipeline()
    for name in ("tent", "tent"):
        pipeline.request("POST", "/items", {"name": name, "description": "d"})
    pipeline.request("DELETE", "/items/none")
    capsys.readouterr()
    pipeline.drain()
    assert counts(written(capsys)) == {
        ("BatchSize", ""): 3,
        ("Succeeded", ""): 1,
        ("Failed", "name-taken"): 1,
        ("Failed", "not-found"): 1,
    }


def test_outages_and_faults_are_counted_separately(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline()
    pipeline.request("POST", "/items", {"name": "tent", "description": "d"})
    pipeline.request("POST", "/items", {"name": "lamp", "description": "d"})
    capsys.readouterr()
    apply = pipeline.items.apply

    def interrupted(change: Any, *rest: Any) -> None:
        raise RuntimeError if change.new.name == "tent" else Unavailable("Down.")

    monkeypatch.setattr(pipeline.items, "apply", interrupted)
    pipeline.work()
    assert counts(written(capsys)) == {
        ("BatchSize", ""): 2,
        ("Interrupted", "fault"): 1,
        ("Interrupted", "outage"): 1,
    }
    for _ in range(5):
        pipeline.work()
    ended = counts(written(capsys))
    assert ended["Failed", "attempts-spent"] == 1
    assert ended["Interrupted", "fault"] == 4
    monkeypatch.setattr(pipeline.items, "apply", apply)
    pipeline.drain()
    assert counts(written(capsys))["Succeeded", ""] == 1


def test_a_command_given_up_before_it_runs_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = Pipeline()
    pipeline.request("POST", "/items", {"name": "tent", "description": "d"})
    unreliable = Unreliable(pipeline)
    for call in (1, 4, 4, 4, 4, 4):  # the put: the first process dies of it unrecorded, five more with a record
        with unreliable.process(Fault(call=call, gone=True)):
            pipeline.work()
    meter.write()  # the counts of a process end with it
    capsys.readouterr()
    pipeline.drain()
    assert counts(written(capsys)) == {("BatchSize", ""): 1, ("Failed", "attempts-spent"): 1}


def test_parked_messages_and_dead_letters_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = Pipeline()
    pipeline.request("POST", "/items", {"name": "tent", "description": "d"})
    message_id, envelope, count = pipeline.queue.waiting[0]
    capsys.readouterr()
    pipeline.end_dead_letters()
    ended = {("BatchSize", ""): 1, ("DeadLetters", ""): 1, ("Failed", "attempts-spent"): 1}
    assert counts(written(capsys)) == ended

    pipeline.queue.waiting.append((message_id, envelope, count))
    pipeline.end_dead_letters()
    assert counts(written(capsys)) == {("BatchSize", ""): 1}, "its job has ended"

    pipeline.queue.waiting.append((message_id, type(envelope)("junk", "g", "d"), count))
    pipeline.work()
    assert counts(written(capsys)) == {("BatchSize", ""): 1, ("Parked", ""): 1}


@pytest.mark.parametrize("dead", [False, True])
def test_a_job_whose_message_is_parked_is_counted_as_failed(
    *, dead: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = Pipeline()
    pipeline.request("POST", "/items", {"name": "tent", "description": "d"})
    message_id, envelope, count = pipeline.queue.waiting[0]
    newer = envelope.body.replace('"v":1', '"v":2')
    pipeline.queue.waiting = [(message_id, type(envelope)(newer, envelope.group_id, "d"), count)]
    capsys.readouterr()
    _ = pipeline.end_dead_letters() if dead else pipeline.work()
    expected = {("BatchSize", ""): 1, ("Parked", ""): 1, ("Failed", "command-unreadable"): 1}
    assert counts(written(capsys)) == expected | ({("DeadLetters", ""): 1} if dead else {})


def test_responses_with_5xx_are_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline()

    def down(*_: Any) -> None:
        raise Unavailable("Down.")

    monkeypatch.setattr(pipeline.jobs, "get", down)
    assert pipeline.request("GET", f"/jobs/{'0' * 32}").status == 503
    assert counts(written(capsys)) == {("Unavailable", ""): 1}

    monkeypatch.setattr(pipeline.jobs, "get", lambda _: 1 / 0)
    assert pipeline.request("GET", f"/jobs/{'0' * 32}").status == 500
    assert counts(written(capsys)) == {("Faults", ""): 1}

    assert pipeline.request("GET", "/health").status == 200
    assert written(capsys) == [], "open routes are not counted"


def test_the_time_of_waiting_is_not_part_of_the_request_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline()
    slept: list[float] = []
    now = [1000.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr("api_lambda.chalicelib.submitting.wait.time.sleep", sleep)
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    job = pipeline.request("POST", "/items", {"name": "n", "description": "d"}, headers={"prefer": "wait=5"})
    pipeline.request("GET", f"/jobs/{job.json['id']}?wait=5")
    assert sum(slept) > 9
    monkeypatch.setattr(pipeline.jobs, "get", fails_after(3, pipeline.jobs.get, ZeroDivisionError()))
    assert pipeline.request("GET", f"/jobs/{job.json['id']}?wait=5").status == 500
    times = [line["RequestTime"][0] for line in written(capsys)]
    assert times == pytest.approx([0.0, 0.0, 0.0], abs=0.1), "the times are rounded"


def test_a_dead_letter_whose_clean_up_fails_is_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline()
    pipeline.request("POST", "/items", {"name": "tent", "description": "d"})
    capsys.readouterr()
    with monkeypatch.context() as broken:
        broken.setattr(pipeline.documents, "keys", fails_after(0, pipeline.documents.keys))
        pipeline.end_dead_letters()
    pipeline.end_dead_letters()
    assert counts(written(capsys))["DeadLetters", ""] == 1


def test_a_command_whose_clean_up_fails_is_counted_as_succeeded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline()
    item_id = pipeline.do("POST", "/items", {"name": "tent", "description": "d"})["item_id"]
    pipeline.request("PUT", f"/items/{item_id}", {"x": 1})
    capsys.readouterr()
    with monkeypatch.context() as broken:
        broken.setattr(pipeline.documents, "delete", fails_after(0, pipeline.documents.delete))
        pipeline.work()
    pipeline.drain()
    counted = counts(written(capsys))
    assert counted["Succeeded", ""] == 1
    assert not [key for key in counted if key[0] == "Interrupted"], "the command was not interrupted"


def test_the_delay_of_a_redelivered_command_counts_from_its_send(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline()
    item_id = pipeline.do("POST", "/items", {"name": "tent", "description": "d"})["item_id"]
    for value in range(3):
        pipeline.request("PUT", f"/items/{item_id}", {"x": value})
    capsys.readouterr()
    with monkeypatch.context() as broken:
        broken.setattr(pipeline.items, "apply", fails_after(0, pipeline.items.apply))
        pipeline.work()
    pipeline.drain()
    lines = written(capsys)
    assert sum(len(line.get("QueueDelay", [])) for line in lines) == 3, "one for each job"
    assert sum(len(line.get("CommandAge", [])) for line in lines) == 4, "one for each attempt"


def test_reading_a_failed_job_is_not_counted_as_a_fault(capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = Pipeline()
    key = {"idempotency-key": "k"}
    pipeline.request("POST", "/items", {"name": "tent", "description": "d"}, headers=key)
    pipeline.end_dead_letters()
    capsys.readouterr()
    answer = pipeline.request(
        "POST", "/items", {"name": "tent", "description": "d"}, headers=key | {"prefer": "wait=1"}
    )
    assert answer.status == 500
    assert counts(written(capsys)) == {("Accepted", ""): 1}


def test_an_error_in_writing_metrics_does_not_fail_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ValueError

    monkeypatch.setattr("jobpipe.runtime.metrics._in_embedded_format", broken)
    assert Pipeline().request("POST", "/items", {"name": "n", "description": "d"}).status == 202
