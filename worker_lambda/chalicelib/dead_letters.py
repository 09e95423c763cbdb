"""End the jobs of dead letters: messages that SQS has given up, for instance because no worker started for days."""

from __future__ import annotations

from collections.abc import Callable

from jobpipe.domain.clock import now
from jobpipe.domain.errors import AttemptsSpent, JobEnded, UndecodableMessage
from jobpipe.domain.jobs.queue_message import decode_message
from jobpipe.runtime.metrics import DEAD_LETTERS, FAILED, meter
from jobpipe.runtime.telemetry import logged_id, logger

from .announce import announcer
from .attempts import complete_retry
from .clean_up import finish_clean_up, keep_command, remove_uncommitted
from .consumer import Consumer
from .labels import label_of_failed
from .parking import park
from .received import Delivery
from .services import Services


def dead_letter_consumer(services: Services, seconds_left: Callable[[], float]) -> Consumer:
    """Return the consumer of the dead-letter queue."""
    return Consumer(
        process=lambda delivery: end_job_of(delivery, services),
        # A dead letter runs no command, so it cannot kill the worker. Nor does its receive count show a redelivery:
        # the count continues from the command queue (seen with emulators; AWS does not document it).
        charged_attempts=None,
        queue=UntouchedQueue(),
        reserve_seconds=services.reserve_seconds,
        seconds_left=seconds_left,
        announce=announcer(services.events),
    )


def end_job_of(delivery: Delivery, services: Services) -> None:
    """End the job as failed, if it is still in the message's generation; it keeps the command for a retry."""
    try:
        message = decode_message(delivery.body)
    except UndecodableMessage as why:
        park(delivery, why, "dead-letters", services)
        return
    fields = {
        "job_id": message.job.job_id,
        "collection": message.collection,
        "item_id": logged_id(message.item_id),
        "request_id": message.request_id,
    }
    problem = AttemptsSpent("Its message could not be processed; retry the job when the cause is gone.")
    try:
        complete_retry(message, services)
        kept = keep_command(message, services)
        label = label_of_failed(message, services)
        services.jobs.fail(message.job, problem.to_problem(), now(), kept, charge_attempt=False, label=label)
    except JobEnded:
        finish_clean_up(message, services)
        logger.info("dead letter of an ended job", extra=fields)
        return
    # Counted before the clean-up: if that fails, the next delivery finds that the job has ended.
    meter.add(DEAD_LETTERS)
    meter.add(FAILED, reason=AttemptsSpent.slug, collection=message.collection)
    logger.error("dead letter", extra=fields)
    remove_uncommitted(message.job, message.item, services)


class UntouchedQueue:
    """ReceivedMessages that leaves all to Lambda: a failed message is delivered again when its visibility ends."""

    def delete(self, receipts: object) -> None:
        pass

    def postpone(self, receipts: object) -> None:
        pass
