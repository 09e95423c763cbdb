"""Claim checks: commands too large for SQS, and what is left of them."""

from __future__ import annotations

from typing import Any

import pytest

from jobpipe.errors import Unavailable
from jobpipe.job import Status
from tests.lives import LARGE, accept, interpose, item
from tests.pipeline import Pipeline


@pytest.mark.parametrize("lands", [False, True])
def test_a_claim_is_deleted_when_nobody_will_ask_for_its_job(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, lands: bool
) -> None:
    send = pipeline.queue.send

    def lost(envelope: Any) -> None:
        if lands:
            send(envelope)
        raise Unavailable("no")

    monkeypatch.setattr(pipeline.queue, "send", lost)
    assert pipeline.request("POST", "/items", item(text=LARGE)).status == 503
    pipeline.drain()
    pipeline.check_consistent()


def test_a_replay_that_comes_after_the_end_leaves_no_claim(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = {"idempotency-key": "k"}
    job_id = accept(pipeline, item(text=LARGE), headers=key)
    # The worker ends the job between the replay's look at it and its put of the claim check.
    interpose(monkeypatch, pipeline.documents, "put", pipeline.drain)
    assert accept(pipeline, item(text=LARGE), headers=key) == job_id
    pipeline.drain()
    pipeline.check_consistent()


def test_a_claim_that_is_lost_ends_its_job_after_five_attempts(pipeline: Pipeline) -> None:
    job_id = accept(pipeline, item(text=LARGE))
    pipeline.documents.current.clear()
    pipeline.drain()
    assert pipeline.jobs.rows[job_id].status is Status.FAILED
    assert pipeline.jobs.rows[job_id].attempts == 5


def test_a_failed_job_keeps_its_claim_when_its_message_comes_again(pipeline: Pipeline) -> None:
    pipeline.do("POST", "/items", item())
    accept(pipeline, item(text=LARGE))
    copy = list(pipeline.queue.waiting)
    pipeline.drain()
    for again in (pipeline.drain, pipeline.end_dead_letters):
        pipeline.queue.waiting = list(copy)
        again()
        assert len(pipeline.documents.keys("claims/")) == 1
