"""One delivery of one command, to the end of its job."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from jobpipe.domain.clock import now
from jobpipe.domain.commands import Command
from jobpipe.domain.errors import AttemptsSpent, ClaimUnusable, JobEnded, Refusal, Unavailable, UndecodableMessage
from jobpipe.domain.missing_objects import may_become_visible
from jobpipe.domain.queue_message import Claim, QueueMessage, decode_message, redeem
from jobpipe.runtime.deadline import leaving
from jobpipe.runtime.metrics import (
    ATTEMPT_TIME,
    COMMAND_AGE,
    FAILED,
    FAULT,
    INTERRUPTED,
    OUTAGE,
    QUEUE_DELAY,
    meter,
)
from jobpipe.runtime.telemetry import logged_id, logger, trace_id

from . import attempts
from .clean_up import finish_clean_up, remove_claim, remove_uncommitted
from .command_handlers import handle
from .consume_batch import Delivery, Handling, MessageReturned
from .parking import park
from .services import Services

_NOTE_PAUSES = (0.1, 0.3, 1.0, 3.0)  # seconds between two tries to note an interruption


def command_handling(services: Services, seconds_left: Callable[[], float]) -> Handling:
    """How the command queue's batches are handled."""
    return Handling(
        process=lambda delivery: execute(delivery, services, seconds_left),
        charged=lambda delivery: _charged(delivery, services),
        received=services.received,
        reserve_seconds=services.reserve_seconds,
        seconds_left=seconds_left,
    )


def execute(delivery: Delivery, services: Services, seconds_left: Callable[[], float]) -> None:
    """Apply the command and end its job; when this returns, the message may be deleted.

    Raises when SQS must deliver the message again: after an outage, or a fault of ours while attempts are left.
    """
    started = time.perf_counter()
    try:
        message = decode_message(delivery.body)
    except UndecodableMessage as why:
        park(delivery, why, "commands", services)
        return
    about: dict[str, object] = {
        "job_id": message.job.job_id,
        "item_id": logged_id(message.item_id),
        "request_id": message.request_id,
        "receive_count": delivery.receive_count,
        "trace_id": trace_id(delivery.trace),
    }
    sent = datetime.fromtimestamp(delivery.sent_ms / 1000, UTC)
    delay = max(0.0, now().timestamp() * 1000 - delivery.sent_ms)
    meter.add(COMMAND_AGE, delay / 1000)
    try:
        # An outage here is not noted on the job, which is still in its old life: the message just comes again.
        attempts.adopt(message, services)
        if delivery.receive_count > 1:
            about["outcome"] = _again(message, sent, services, about, seconds_left)
        else:
            about["outcome"] = _first(message, sent, services, about)
        meter.add(QUEUE_DELAY, delay)
    except JobEnded:
        # Another delivery was first, or the job was cancelled or is long gone: this one changes nothing (P2).
        finish_clean_up(message, services)
        about["outcome"] = "ended before"
    logger.info("command", extra={**about, "duration_ms": round((time.perf_counter() - started) * 1000, 1)})


def _first(message: QueueMessage, sent: datetime, services: Services, about: dict[str, object]) -> str:
    """The first delivery: unrecorded, beside others."""
    try:
        return _apply(message, sent, services, about)
    except JobEnded:
        raise
    except Exception as error:  # noqa: BLE001  # _note raises an error again unless it ends the job
        logger.exception("command interrupted", extra=about)
        _note(message, error, services, recorded=False, pauses=())
        remove_uncommitted(message.job, message.item_id, services)
        return "given up"


def _again(
    message: QueueMessage,
    sent: datetime,
    services: Services,
    about: dict[str, object],
    seconds_left: Callable[[], float],
) -> str:
    """A later delivery: recorded, alone, and without what earlier ones have left behind."""
    recorded, outcome = False, "given up"
    try:
        # To be killed by the time-out while AWS is slow would make an outage an attempt.
        with leaving(services.reserve_seconds, seconds_left):
            recorded = attempts.begin(message, services)
            if recorded:
                outcome = _apply(message, sent, services, about)
            else:
                meter.add(FAILED, reason=AttemptsSpent.slug)
    except JobEnded:
        raise
    except Exception as error:  # noqa: BLE001  # _note raises an error again unless it ends the job
        logger.exception("command interrupted", extra=about)
        # What has begun and is not noted will be charged, so the note is worth some patience.
        pauses = (pause for pause in _NOTE_PAUSES if seconds_left() > services.reserve_seconds / 2)
        _note(message, error, services, recorded=recorded, pauses=pauses if recorded else ())
    remove_uncommitted(message.job, message.item_id, services)
    return outcome


def _apply(message: QueueMessage, sent: datetime, services: Services, about: dict[str, object]) -> str:
    started = time.perf_counter()
    try:
        command = _command(message, sent, services)
        about["operation"] = command.operation
        handle(command, message.job, services)
    except Refusal as refusal:
        services.jobs.fail(message.job, refusal.to_problem(), now(), message.kept, attempt=True)
        meter.add(FAILED, reason=refusal.slug)
        return f"failed: {refusal.slug}"
    finally:
        meter.add(ATTEMPT_TIME, (time.perf_counter() - started) * 1000)
    remove_claim(message, services)
    return "succeeded"


def _note(
    message: QueueMessage, error: Exception, services: Services, *, recorded: bool, pauses: Iterable[float]
) -> None:
    """Raises MessageReturned, unless the command was given up for the interruption."""
    reason = OUTAGE if isinstance(error, Unavailable) else FAULT
    waits = iter(pauses)
    while True:
        try:
            times = attempts.interrupted(message, error, services, recorded=recorded)
        except Unavailable:
            pause = next(waits, None)
            if pause is None:
                meter.add(INTERRUPTED, reason=reason)
                logger.warning("interruption not noted", extra={"job_id": message.job.job_id})
                raise error from None
            time.sleep(pause)
        else:
            # Not before: a job that has ended by now was not interrupted.
            meter.add(INTERRUPTED, reason=reason)
            if times is None:
                meter.add(FAILED, reason=AttemptsSpent.slug)
                return
            raise MessageReturned(times) from error


def _command(message: QueueMessage, sent: datetime, services: Services) -> Command:
    if not isinstance(message.content, Claim):
        return message.content
    text = services.documents.get_by_key(message.content.key)
    if text is None:
        attempts.live(message, services)  # else it is an old copy, whose job has ended and needs the claim no more
        if may_become_visible(sent):  # it was put before its message was sent
            raise Unavailable("The claim check is not visible yet.")
        raise ClaimUnusable("The claim check is not there.")
    return redeem(message.content, text, message.item_id)


def _charged(delivery: Delivery, services: Services) -> int:
    """For the order of those that run alone; what cannot be told now is told when it is its turn."""
    try:
        job = services.jobs.get(decode_message(delivery.body).job.job_id)
    except Exception:  # noqa: BLE001  # it must not cost the others theirs
        return 0
    return 0 if job is None else attempts.charged(job)
