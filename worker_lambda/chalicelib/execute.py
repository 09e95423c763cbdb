"""One delivery of one command, to the end of its job."""

from __future__ import annotations

import time

from jobpipe.clock import now
from jobpipe.commands import Command
from jobpipe.errors import ClaimMissing, JobEnded, Refusal, Unavailable, UndecodableMessage
from jobpipe.queue_message import Claim, QueueMessage, decode_command, decode_message
from jobpipe.telemetry import logger

from . import attempts
from .clean_up import finish_clean_up, remove_claim, remove_uncommitted
from .command_handlers import handle
from .consume_batch import Delivery, Handling
from .parking import park
from .services import Services


def command_handling(services: Services) -> Handling:
    """How the command queue's batches are handled."""
    return Handling(
        process=lambda delivery: execute(delivery, services),
        charged=lambda delivery: _charged(delivery, services),
        received=services.received,
        reserve_seconds=services.reserve_seconds,
    )


def execute(delivery: Delivery, services: Services) -> None:
    """Apply the command and end its job; when this returns, the message may be deleted.

    Raises when the message must come again: after an outage, or a fault of ours that is not the last.
    """
    started = time.perf_counter()
    try:
        message = decode_message(delivery.body)
    except UndecodableMessage as why:
        park(delivery, why, "commands", services)
        return
    about: dict[str, object] = {
        "job_id": message.job.job_id,
        "item_id": message.item_id,
        "request_id": message.request_id,
        "receive_count": delivery.receive_count,
    }
    about["outcome"] = _run(message, services, about, redelivered=delivery.receive_count > 1)
    logger.info("command", extra={**about, "duration_ms": round((time.perf_counter() - started) * 1000, 1)})


def _run(message: QueueMessage, services: Services, about: dict[str, object], *, redelivered: bool) -> str:
    try:
        # An outage here is not noted on the job, which is still in its old life: the message just comes again.
        attempts.adopt(message, services)
        try:
            outcome = _attempt(message, services, about, redelivered=redelivered)
        except JobEnded:
            raise
        except Exception as error:
            logger.exception("command interrupted", extra=about)
            if _comes_again(message, error, services):
                raise
            outcome = "given up"
    except JobEnded:
        # Another delivery was first, or the job was cancelled or is long gone: this one changes nothing (P2).
        finish_clean_up(message, services)
        return "ended before"
    if redelivered or outcome == "given up":
        remove_uncommitted(message.job, message.item_id, services)
    return outcome


def _attempt(message: QueueMessage, services: Services, about: dict[str, object], *, redelivered: bool) -> str:
    if redelivered and not attempts.begin(message, services):
        return "given up"
    try:
        command = _command(message, services)
        about["operation"] = command.operation
        handle(command, message.job, services)
    except Refusal as refusal:
        services.jobs.fail(message.job, refusal.to_problem(), now(), message.kept, attempt=True)
        return f"failed: {refusal.slug}"
    remove_claim(message, services)
    return "succeeded"


def _command(message: QueueMessage, services: Services) -> Command:
    if not isinstance(message.content, Claim):
        return message.content
    text = services.documents.get_by_key(message.content.key)
    if text is None:
        raise ClaimMissing(f"There is no claim check {message.content.key}.")
    return decode_command(text, message.item_id)


def _comes_again(message: QueueMessage, error: Exception, services: Services) -> bool:
    """Note the interruption; False if the command was given up for it."""
    try:
        return attempts.interrupted(message, error, services)
    except Unavailable:
        logger.warning("interruption not noted", extra={"job_id": message.job.job_id})
        return True


def _charged(delivery: Delivery, services: Services) -> int:
    """For the order of those that run alone; what cannot be told now is told when it is its turn."""
    try:
        job = services.jobs.get(decode_message(delivery.body).job.job_id)
    except (UndecodableMessage, Unavailable):
        return 0
    return 0 if job is None else attempts.charged(job)
