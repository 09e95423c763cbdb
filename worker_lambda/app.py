"""The worker's entry points: `app.work` handles the command queue, `app.dead_letters` the dead-letter queue."""

import os
from collections.abc import Callable
from typing import Any

from chalice.app import Chalice, SQSEvent
from chalicelib.consume_batch import consume_batch
from chalicelib.dead_letters import dead_letter_handling
from chalicelib.execute import command_handling
from chalicelib.services import open_services

from jobpipe.telemetry import begin_invocation

app = Chalice(app_name="jobpipe-worker")


@app.on_sqs_message(queue="commands", batch_size=10, name="work")
def work(event: SQSEvent) -> dict[str, Any]:
    """Apply a batch of commands; the answer names the messages that SQS is to deliver again."""
    begin_invocation(event.context)
    return consume_batch(event.to_dict()["Records"], command_handling(open_services(), _seconds_left(event)))


@app.on_sqs_message(queue="dead-letters", batch_size=10, name="dead_letters")
def dead_letters(event: SQSEvent) -> dict[str, Any]:
    """End the jobs of messages that SQS has given up."""
    begin_invocation(event.context)
    return consume_batch(event.to_dict()["Records"], dead_letter_handling(open_services(), _seconds_left(event)))


def _seconds_left(event: SQSEvent) -> Callable[[], float]:
    context: Any = event.context
    return lambda: float(context.get_remaining_time_in_millis()) / 1000


# In Lambda the clients are made during INIT; `chalice package` imports this file too and has no settings.
if "AWS_CHALICE_CLI_MODE" not in os.environ:
    open_services()
