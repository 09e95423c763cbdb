"""P8, as far as it goes today: a message that fails comes back, and harms nobody beside it."""

from __future__ import annotations

import uuid

import tenacity

from tests.deployed import Stage, unique


def test_a_message_that_is_no_command_is_kept_and_the_others_go_on(stage: Stage) -> None:
    sqs, queue = stage.aws("sqs"), stage.resources["commands_queue_url"]
    group = uuid.uuid4().hex
    try:
        sqs.send_message(QueueUrl=queue, MessageBody="junk", MessageGroupId=group, MessageDeduplicationId=group)
        jobs = [stage.client.create({"name": unique("Beside junk"), "description": "d"}) for _ in range(12)]
        assert all(stage.client.wait(job).succeeded for job in jobs)

        @tenacity.retry(stop=tenacity.stop_after_delay(10), wait=tenacity.wait_fixed(0.1), reraise=True)
        def only_the_junk_is_left() -> None:
            assert stage.counts()[2] == 1

        only_the_junk_is_left()
        logs = stage.aws("logs")
        worker = f"/aws/lambda/{stage.resources['worker_function']}"

        @tenacity.retry(stop=tenacity.stop_after_delay(20), wait=tenacity.wait_fixed(0.2), reraise=True)
        def it_was_seen() -> None:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=worker)
            assert any("message returned" in event["message"] for page in pages for event in page["events"])

        it_was_seen()
    finally:
        if stage.counts()[2] == 1:  # nobody else's command goes with it
            sqs.purge_queue(QueueUrl=queue)
