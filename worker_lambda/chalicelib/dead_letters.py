"""The backstop: messages that SQS has given up, as those that no worker could even start with for days."""

from __future__ import annotations

from collections.abc import Callable

from jobpipe.domain.clock import now
from jobpipe.domain.errors import AttemptsSpent, JobEnded, UndecodableMessage
from jobpipe.domain.queue_message import decode_message
from jobpipe.runtime.metrics import DEAD_LETTERS, FAILED, meter
from jobpipe.runtime.telemetry import logged_id, logger

from .attempts import adopt
from .clean_up import finish_clean_up, remove_uncommitted
from .consume_batch import Delivery, Handling
from .parking import park
from .services import Services


def dead_letter_handling(services: Services, seconds_left: Callable[[], float]) -> Handling:
    """How the dead-letter queue's batches are handled."""
    return Handling(
        process=lambda delivery: end_job_of(delivery, services),
        # A dead letter runs no command, so it cannot kill the worker. Nor does its receive count show a redelivery:
        # the count continues from the command queue (seen with emulators; AWS does not document it).
        charged=None,
        received=_LeftAlone(),
        reserve_seconds=services.reserve_seconds,
        seconds_left=seconds_left,
    )


def end_job_of(delivery: Delivery, services: Services) -> None:
    """Fail the job, in this life of it only, and clean up; the command stays with it for a retry."""
    try:
        message = decode_message(delivery.body)
    except UndecodableMessage as why:
        park(delivery, why, "dead-letters", services)
        return
    item_id = logged_id(message.item_id)
    about = {"job_id": message.job.job_id, "item_id": item_id, "request_id": message.request_id}
    problem = AttemptsSpent("Its message could not be processed; retry the job when the cause is gone.")
    try:
        adopt(message, services)
        services.jobs.fail(message.job, problem.to_problem(), now(), message.kept, attempt=False)
    except JobEnded:
        finish_clean_up(message, services)
        logger.info("dead letter of an ended job", extra=about)
        return
    # Before the clean-up: should that fail, the message comes again to a job that has ended.
    meter.add(DEAD_LETTERS)
    meter.add(FAILED, reason=AttemptsSpent.slug)
    logger.error("dead letter", extra=about)
    remove_uncommitted(message.job, message.item_id, services)


class _LeftAlone:
    """Nothing is done to a message but what Lambda does: what fails comes again when its visibility ends."""

    def delete(self, receipts: object) -> None:
        pass

    def postpone(self, receipts: object) -> None:
        pass
