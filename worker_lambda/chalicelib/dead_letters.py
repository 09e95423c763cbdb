"""End the jobs of dead letters: messages that no worker could process, for instance because none ran for days."""

from __future__ import annotations

from collections.abc import Callable

from jobpipe.domain.clock import now
from jobpipe.domain.errors import AttemptsSpent, JobEnded, UndecodableMessage
from jobpipe.domain.jobs.message_decoding import decode_message
from jobpipe.runtime.metrics import DEAD_LETTERS, FAILED, meter
from jobpipe.runtime.telemetry import logged_id, logger

from .announce import make_announcer
from .attempts import complete_retry
from .clean_up import finish_clean_up, keep_command, remove_uncommitted
from .consumer import Consumer
from .labels import find_label
from .parking import park
from .services import Services
from .sqs_messages import Delivery


def dead_letter_consumer(services: Services, seconds_left: Callable[[], float]) -> Consumer:
    """Return the consumer of the dead-letter queue."""
    return Consumer(
        process=lambda delivery: end_job(delivery, services),
        # A dead letter runs no command, so it cannot kill the worker. Its receive count does not show a redelivery
        # either, because it continues the count of the command queue (seen with emulators, undocumented by AWS).
        charged_attempts=None,
        queue=LambdaManagedQueue(),
        reserve_seconds=services.reserve_seconds,
        seconds_left=seconds_left,
        announce=make_announcer(services.events),
    )


def end_job(delivery: Delivery, services: Services) -> None:
    """Fail the job, if it is still in the message's generation; the job keeps the command for a retry."""
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
    problem = AttemptsSpent(
        "The message of the command could not be processed; retry the job when the cause is gone."
    )
    try:
        complete_retry(message, services)
        kept = keep_command(message, services)
        label = find_label(message, services)
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


class LambdaManagedQueue:
    """ReceivedMessages that leave everything to Lambda: a failed message returns after its visibility timeout."""

    def delete(self, receipts: object) -> None:
        pass

    def postpone(self, receipts: object) -> None:
        pass
