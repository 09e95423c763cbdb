"""A batch is cancelled or retried as a whole: each of its jobs by the rules for a single one."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from jobpipe.domain.errors import Unavailable
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import Job, Status
from tests.helpers.batches import an_item, create, kinds, merge, post, shown
from tests.helpers.job_states import LARGE, interpose, unavailable
from tests.helpers.metric_lines import counts, written
from tests.helpers.pipeline import Answer, Pipeline

READ = {"operation": "read", "item_id": "no-such-item"}


def cancel(pipeline: Pipeline, answer: Answer, **options: Any) -> Answer:
    return pipeline.request("DELETE", f"/batches/{answer.json['id']}", **options)


def retry(pipeline: Pipeline, answer: Answer, **options: Any) -> Answer:
    return pipeline.request("POST", f"/batches/{answer.json['id']}/retry", **options)


def problems(answer: Answer) -> list[str | None]:
    """Return for each entry the slug of the problem for which its job was not changed."""
    return [
        entry["unchanged"]["type"].rpartition(":")[2] if "unchanged" in entry else None
        for entry in answer.json["entries"]
    ]


def failed_batch(pipeline: Pipeline, *more: Any, text: str = "") -> tuple[Answer, str]:
    """Return a batch whose first two creates have failed, and the id of the item that has their name."""
    tent = an_item(pipeline)
    batch = post(pipeline, create("Tent", text=text), create("Tent"), *more)
    pipeline.drain()
    return batch, tent


def failing_at(call: int, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return the method with an outage from this call on."""
    calls: list[None] = []

    def fail(*args: Any, **kwargs: Any) -> Any:
        calls.append(None)
        if len(calls) >= call:
            raise Unavailable("It does not answer.")
        return method(*args, **kwargs)

    return fail


# --- cancel -------------------------------------------------------------------------------------------------------


def test_no_command_of_a_cancelled_batch_takes_effect(pipeline: Pipeline) -> None:
    tent = an_item(pipeline)
    batch = post(pipeline, create("Yurt", text=LARGE), merge(tent, n=1), {"operation": "fly"})
    answer = cancel(pipeline, batch)
    assert answer.status == 200
    assert kinds(answer) == ["cancelled", "cancelled", "400"]
    assert answer.json["done"]
    assert "retry-after" not in answer.headers
    assert answer.json == shown(pipeline, batch)
    assert cancel(pipeline, batch).json == answer.json, "to cancel it again changes nothing"
    pipeline.drain()
    assert len(pipeline.items.rows) == 1
    assert "n" not in pipeline.request("GET", f"/items/{tent}").json
    pipeline.check_consistent()


def test_jobs_that_have_ended_keep_their_outcome_and_say_why(pipeline: Pipeline) -> None:
    tent = an_item(pipeline)
    batch = post(pipeline, merge(tent, n=1), READ, create("Yurt"))
    pipeline.work(most=2)
    answer = cancel(pipeline, batch)
    assert answer.status == 200
    assert kinds(answer) == ["succeeded", "failed", "cancelled"]
    assert problems(answer) == ["job-ended", "job-ended", None]
    details = [entry["unchanged"]["detail"] for entry in answer.json["entries"][:2]]
    ids = [entry["job"]["id"] for entry in answer.json["entries"][:2]]
    alone = [pipeline.request("DELETE", f"/jobs/{job_id}") for job_id in ids]
    assert [each.json["detail"] for each in alone] == details, "as for a single job"
    assert problems(pipeline.request("GET", f"/batches/{batch.json['id']}")) == [None] * 3
    pipeline.drain()
    pipeline.check_consistent()


def test_the_last_command_of_an_item_is_cancelled_first(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the worker could apply a later command after an earlier one was cancelled."""
    tent = an_item(pipeline)
    batch = post(pipeline, *(merge(tent, n=n) for n in range(3)))
    order: list[str] = []
    cancel_one = pipeline.jobs.cancel

    def noted(ref: JobRef, at: datetime, **options: bool) -> Job:
        order.append(ref.job_id)
        return cancel_one(ref, at, **options)

    monkeypatch.setattr(pipeline.jobs, "cancel", noted)
    assert cancel(pipeline, batch).json["counts"]["cancelled"] == 3
    assert order == [entry["job"]["id"] for entry in reversed(batch.json["entries"])]


def test_the_worker_may_win_against_the_cancel_of_a_batch(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = post(pipeline, create("Tent"), create("Yurt"))
    interpose(monkeypatch, pipeline.jobs, "cancel", pipeline.drain)
    answer = cancel(pipeline, batch)
    assert kinds(answer) == ["succeeded", "succeeded"]
    assert problems(answer) == ["job-ended", "job-ended"]
    pipeline.check_consistent()


def test_an_outage_in_the_middle_of_a_cancel_is_answered_for_each_job(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = post(pipeline, *(create(f"Tent {n}") for n in range(4)))
    with monkeypatch.context() as outage:
        outage.setattr(pipeline.jobs, "cancel", failing_at(3, pipeline.jobs.cancel))
        answer = cancel(pipeline, batch)
    assert answer.status == 200
    assert kinds(answer) == ["queued", "queued", "cancelled", "cancelled"]
    assert problems(answer) == ["unavailable", "unavailable", None, None]
    assert answer.headers["retry-after"]
    assert kinds(cancel(pipeline, batch)) == ["cancelled"] * 4, "the same request goes on"
    pipeline.drain()
    assert not pipeline.items.rows
    pipeline.check_consistent()


def test_without_any_cancelled_job_an_outage_is_the_answer(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = post(pipeline, create("Tent"), create("Yurt"))
    monkeypatch.setattr(pipeline.jobs, "cancel", unavailable)
    answer = cancel(pipeline, batch)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


def test_a_fault_at_one_job_leaves_the_others_cancelled(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = post(pipeline, create("Tent"), create("Yurt"))
    cancel_one, broken = pipeline.jobs.cancel, batch.json["entries"][1]["job"]["id"]

    def cancel_or_break(ref: Any, at: Any, **options: bool) -> Any:
        if ref.job_id == broken:
            raise ZeroDivisionError
        return cancel_one(ref, at, **options)

    monkeypatch.setattr(pipeline.jobs, "cancel", cancel_or_break)
    answer = cancel(pipeline, batch)
    assert kinds(answer) == ["cancelled", "queued"]
    assert problems(answer) == [None, "internal-error"]


def test_a_cancel_of_a_batch_ends_in_time(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = post(pipeline, *(create(f"Tent {n}") for n in range(3)))
    cancel_one = pipeline.jobs.cancel

    def slow(ref: Any, at: Any, **options: bool) -> Any:
        pipeline.context.milliseconds -= 10_000
        return cancel_one(ref, at, **options)

    monkeypatch.setattr(pipeline.jobs, "cancel", slow)
    answer = cancel(pipeline, batch)
    assert problems(answer) == ["unavailable", None, None]
    assert answer.json["entries"][0]["unchanged"]["detail"] == "There was no time left for this job."


def test_a_job_that_expires_meanwhile_is_shown_as_expired(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = post(pipeline, create("Tent"), create("Yurt"))
    tent = batch.json["entries"][0]["job"]["id"]
    interpose(monkeypatch, pipeline.jobs, "cancel", lambda: pipeline.jobs.rows.pop(tent))
    answer = cancel(pipeline, batch)
    assert kinds(answer) == ["404", "cancelled"]
    assert answer.json["counts"]["expired"] == 1


# --- retry --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", LARGE])
def test_the_failed_jobs_of_a_batch_are_queued_again(pipeline: Pipeline, text: str) -> None:
    batch, tent = failed_batch(pipeline, create("Yurt"), {"operation": "fly"}, text=text)
    pipeline.do("DELETE", f"/items/{tent}")
    answer = retry(pipeline, batch)
    assert (answer.status, answer.headers["location"]) == (202, f"../../batches/{batch.json['id']}")
    assert answer.headers["retry-after"]
    assert kinds(answer) == ["queued", "queued", "succeeded", "400"]
    assert problems(answer)[:3] == [None] * 3, "a job that has succeeded is left as it is"
    assert len(pipeline.queue.waiting) == 2
    assert kinds(retry(pipeline, batch)) == kinds(answer)
    assert len(pipeline.queue.waiting) == 2, "a queued job is not queued twice"
    pipeline.drain()
    assert sorted(kinds(pipeline.request("GET", f"/batches/{batch.json['id']}"))[:2]) == ["failed", "succeeded"]
    pipeline.check_consistent()


def test_retried_jobs_of_one_item_take_effect_in_the_order_of_the_batch(pipeline: Pipeline) -> None:
    tent = an_item(pipeline)
    pipeline.do("DELETE", f"/items/{tent}")
    batch = post(pipeline, *(merge(tent, n=n) for n in range(3)))
    pipeline.drain()
    assert shown(pipeline, batch)["counts"]["failed"] == 3
    assert kinds(retry(pipeline, batch)) == ["queued"] * 3
    waiting = [json.loads(envelope.body)["command"]["merge"] for _, envelope, _ in pipeline.queue.waiting]
    assert waiting == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_a_job_that_cannot_be_retried_says_why(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as outage:
        outage.setattr(
            pipeline.queue,
            "send_batch",
            lambda envelopes: {each.deduplication_id: Unavailable("no") for each in envelopes[1:]},
        )
        batch = post(pipeline, READ, create("Yurt"))
    answer = retry(pipeline, batch)
    assert kinds(answer)[1] == "failed"
    assert problems(answer) == [None, "job-ended"]
    job_id = answer.json["entries"][1]["job"]["id"]
    alone = pipeline.request("POST", f"/jobs/{job_id}/retry").json
    assert answer.json["entries"][1]["unchanged"]["detail"] == alone["detail"], "as for a single job"


@pytest.mark.parametrize("call", ["send", "requeue"])
def test_an_outage_in_the_middle_of_a_retry_is_answered_for_each_job(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    batch = post(pipeline, *({**READ, "item_id": f"none-{n}"} for n in range(4)))
    pipeline.drain()
    store = pipeline.queue if call == "send" else pipeline.jobs
    with monkeypatch.context() as outage:
        outage.setattr(store, call, failing_at(3, getattr(store, call)))
        answer = retry(pipeline, batch)
    assert answer.status == 202
    assert kinds(answer) == ["queued", "queued", "failed", "failed"]
    assert problems(answer) == [None, None, "unavailable", "unavailable"]
    assert kinds(retry(pipeline, batch)) == ["queued"] * 4, "the same request goes on"
    pipeline.drain()
    rows = [pipeline.jobs.rows[entry["job"]["id"]] for entry in batch.json["entries"]]
    assert [(job.status, job.retries) for job in rows] == [(Status.FAILED, 1)] * 4
    pipeline.check_consistent()


def test_without_any_retried_job_an_outage_is_the_answer(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, _ = failed_batch(pipeline)
    monkeypatch.setattr(pipeline.queue, "send", unavailable)
    assert retry(pipeline, batch).status == 503


def test_a_job_that_another_request_has_retried_is_left_as_it_is(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, _ = failed_batch(pipeline)
    job_id = batch.json["entries"][0]["job"]["id"]
    interpose(monkeypatch, pipeline.jobs, "get", lambda: pipeline.request("POST", f"/jobs/{job_id}/retry"))
    assert kinds(retry(pipeline, batch)) == ["queued", "queued"]
    assert len(pipeline.queue.waiting) == 2


@pytest.mark.usefixtures("no_earlier_metrics")
def test_a_job_that_another_request_has_retried_is_counted_by_that_one(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    batch, _ = failed_batch(pipeline)
    first, second = (each["job"]["id"] for each in batch.json["entries"])
    interpose(monkeypatch, pipeline.jobs, "get", lambda: pipeline.request("POST", f"/jobs/{first}/retry"))
    written(capsys)
    assert retry(pipeline, batch).status == 202
    assert counts(written(capsys)) == {("Accepted", ""): 2}
    assert second in {job.job_id for job in pipeline.jobs.rows.values() if job.retries == 1}


# --- who may ------------------------------------------------------------------------------------------------------

WHOLE = [("DELETE", "/batches/{id}"), ("POST", "/batches/{id}/retry")]


@pytest.mark.parametrize(("method", "path"), WHOLE)
def test_batches_of_other_callers_and_unknown_ones_are_not_found(
    pipeline: Pipeline, method: str, path: str
) -> None:
    batch, _ = failed_batch(pipeline)
    post(pipeline, create("Yurt"))
    before = pipeline.state()
    assert pipeline.request(method, path.format(id=batch.json["id"]), owner="mallory").status == 404
    assert pipeline.request(method, path.format(id=f"batch-{'f' * 32}")).status == 404
    assert pipeline.request(method, path.format(id=batch.json["entries"][0]["job"]["id"])).status == 404
    assert pipeline.state() == before


@pytest.mark.parametrize(("method", "path"), WHOLE)
@pytest.mark.parametrize("header", ["if-match", "if-none-match"])
def test_preconditions_are_refused(pipeline: Pipeline, method: str, path: str, header: str) -> None:
    batch, _ = failed_batch(pipeline, READ)
    before = pipeline.state()
    answer = pipeline.request(method, path.format(id=batch.json["id"]), headers={header: '"v"'})
    assert answer.status == 400
    assert pipeline.state() == before


@pytest.mark.parametrize(("method", "path"), WHOLE)
def test_a_batch_whose_jobs_have_expired_can_be_asked_for(pipeline: Pipeline, method: str, path: str) -> None:
    batch, _ = failed_batch(pipeline)
    for entry in batch.json["entries"]:
        pipeline.jobs.rows.pop(entry["job"]["id"])
    answer = pipeline.request(method, path.format(id=batch.json["id"]))
    assert (answer.status, kinds(answer)) == (200 if method == "DELETE" else 202, ["404", "404"])
