"""The worker's entry points, each a function of its own.

app.work          the queue of commands
app.dead_letters  the dead-letter queue
app.tell          the queue of events, in a stage with Events=on
app.deliver       the two queues of deliveries, in such a stage
app.release       once a minute: sends the commands that are due to the queue of commands
"""

import gc
import os
from collections.abc import Callable
from typing import Any

# The imports create ninety thousand objects that are never freed. Collecting garbage among them again and again
# would take a fifth of a cold start, and the first batch would wait for another collection.
gc.disable()

from chalice.app import Chalice, CloudWatchEvent, Rate, SQSEvent  # noqa: E402
from chalicelib.consume_batch import consume_batch  # noqa: E402
from chalicelib.functions import (  # noqa: E402
    commands_consumer,
    dead_letters_consumer,
    deliveries_consumer,
    events_consumer,
    open_commands,
    open_dead_letters,
    open_events,
    open_schedule,
    release_due,
)
from chalicelib.sqs_messages import sqs_records  # noqa: E402

from jobpipe.runtime.telemetry import begin_invocation  # noqa: E402

app = Chalice(app_name="jobpipe-worker")


@app.on_sqs_message(queue="commands", batch_size=10, name="work")
def work(event: SQSEvent) -> dict[str, Any]:
    """Run a batch of commands; the response names the messages that SQS must deliver again."""
    begin_invocation(event.context)
    return consume_batch(sqs_records(event.to_dict()), commands_consumer(_seconds_left(event)))


@app.on_sqs_message(queue="dead-letters", batch_size=10, name="dead_letters")
def dead_letters(event: SQSEvent) -> dict[str, Any]:
    """End the jobs of messages that SQS has stopped delivering."""
    begin_invocation(event.context)
    return consume_batch(sqs_records(event.to_dict()), dead_letters_consumer(_seconds_left(event)))


@app.on_sqs_message(queue="events", batch_size=10, name="tell")
def tell(event: SQSEvent) -> dict[str, Any]:
    """Store the deliveries of the jobs that have ended."""
    begin_invocation(event.context)
    return consume_batch(sqs_records(event.to_dict()), events_consumer(_seconds_left(event)))


@app.on_sqs_message(queue="deliveries", batch_size=10, name="deliver")
def deliver(event: SQSEvent) -> dict[str, Any]:
    """Deliver events to webhooks, or resume the deliveries whose waiting time is over."""
    begin_invocation(event.context)
    records = sqs_records(event.to_dict())
    return consume_batch(records, deliveries_consumer(records, _seconds_left(event)))


@app.schedule(Rate(1, unit=Rate.MINUTES), name="release")
def release(event: CloudWatchEvent) -> dict[str, Any]:
    """Release the commands that are due or become due within two minutes."""
    begin_invocation(event.context)
    return {"released": release_due(_seconds_left(event))}


def _seconds_left(event: SQSEvent | CloudWatchEvent) -> Callable[[], float]:
    context: Any = event.context
    return lambda: float(context.get_remaining_time_in_millis()) / 1000


# In Lambda the clients are created at the start. `chalice package` imports this file too, and has no settings.
if "AWS_CHALICE_CLI_MODE" not in os.environ:
    service = os.environ.get("SERVICE_NAME")
    if service in {"jobpipe-events", "jobpipe-deliveries"}:
        open_events()
    elif service == "jobpipe-release":
        open_schedule()
    elif service == "jobpipe-dead-letters":
        open_dead_letters()
    else:
        open_commands()
    gc.freeze()
gc.enable()
