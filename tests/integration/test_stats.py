"""`GET /stats` on a deployed stage."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import tenacity

from jobpipe.domain.jobs.scheduled import MOST_COUNTED
from tests.helpers.deployed import Stage, unique

soon = tenacity.retry(stop=tenacity.stop_after_delay(20), wait=tenacity.wait_fixed(0.1), reraise=True)


def stats(stage: Stage) -> Any:
    answer = stage.request("GET", "/stats")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


@soon
def wait_until_empty(stage: Stage) -> None:
    queue = stats(stage)["queue"]
    assert (queue["waiting"], queue["in_flight"], queue["delayed"]) == (0, 0, 0)
    assert queue["oldest_seconds"] == 0


def test_waiting_commands_are_counted_until_the_worker_processes_them(stage: Stage) -> None:
    wait_until_empty(stage)
    functions = stage.aws("lambda")
    (mapping,) = functions.list_event_source_mappings(FunctionName=stage.resources["worker_function"])[
        "EventSourceMappings"
    ]

    @soon
    def switch(*, enabled: bool) -> None:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled)
        wanted = "Enabled" if enabled else "Disabled"
        assert functions.get_event_source_mapping(UUID=mapping["UUID"])["State"] == wanted

    switch(enabled=False)
    try:
        jobs = [stage.client.create({"name": unique("Waiting"), "description": "d"}) for _ in range(3)]
        # A poll that had begun may still have received one.
        queue = stats(stage)["queue"]
        assert sum(queue[name] for name in ("waiting", "in_flight", "delayed")) >= 2
        assert queue["oldest_seconds"] is None or queue["oldest_seconds"] >= 0
    finally:
        switch(enabled=True)
    for job in jobs:
        assert stage.client.wait(job).succeeded
    wait_until_empty(stage)


def test_parked_messages_are_counted(stage: Stage) -> None:
    sqs, url = stage.aws("sqs"), stage.resources["parked_queue_url"]
    before = stats(stage)["parked"]
    sqs.send_message(QueueUrl=url, MessageBody="{")

    @soon
    def counted() -> None:
        assert stats(stage)["parked"] == before + 1

    counted()


def test_scheduled_commands_are_counted(stage: Stage) -> None:
    assert stats(stage)["scheduled"] <= MOST_COUNTED
    commands = [
        {"operation": "create", "item": {"name": unique("Waiting"), "description": "d", "n": number}}
        for number in range(3)
    ]
    batch = stage.client.submit_batch(commands, at=timedelta(hours=1))

    @tenacity.retry(stop=tenacity.stop_after_delay(90), wait=tenacity.wait_fixed(1), reraise=True)
    def counted() -> None:  # another process of the API may have found nothing less than a minute ago
        assert stats(stage)["scheduled"] >= 3

    counted()
    assert stage.client.cancel_batch(batch.id).counts["cancelled"] == 3


def test_the_statistics_need_a_key(stage: Stage) -> None:
    assert stage.request("GET", "/stats", key=None).status_code == 403
