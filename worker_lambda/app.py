"""The worker's entry points: `app.work` handles the command queue, `app.dead_letters` the dead-letter queue."""

import gc
import os
from collections.abc import Callable
from typing import Any

# The imports make ninety thousand objects that stay. Collecting garbage among them again and again would take a
# fifth of a cold start, and the first batch would wait for another collection.
gc.disable()

from chalice.app import Chalice, SQSEvent  # noqa: E402
from chalicelib.command_consumer import command_consumer  # noqa: E402
from chalicelib.consume_batch import consume_batch, sqs_records  # noqa: E402
from chalicelib.dead_letters import dead_letter_consumer  # noqa: E402
from chalicelib.services import open_services  # noqa: E402

from jobpipe.runtime.telemetry import begin_invocation  # noqa: E402

app = Chalice(app_name="jobpipe-worker")


@app.on_sqs_message(queue="commands", batch_size=10, name="work")
def work(event: SQSEvent) -> dict[str, Any]:
    """Run a batch of commands; the response names the messages that SQS must deliver again."""
    begin_invocation(event.context)
    return consume_batch(sqs_records(event.to_dict()), command_consumer(open_services(), _seconds_left(event)))


@app.on_sqs_message(queue="dead-letters", batch_size=10, name="dead_letters")
def dead_letters(event: SQSEvent) -> dict[str, Any]:
    """End the jobs of messages that SQS has given up."""
    begin_invocation(event.context)
    return consume_batch(sqs_records(event.to_dict()), dead_letter_consumer(open_services(), _seconds_left(event)))


def _seconds_left(event: SQSEvent) -> Callable[[], float]:
    context: Any = event.context
    return lambda: float(context.get_remaining_time_in_millis()) / 1000


# In Lambda the clients are made at the start. `chalice package` imports this file too, and has no settings.
if "AWS_CHALICE_CLI_MODE" not in os.environ:
    open_services()
    gc.freeze()
gc.enable()
