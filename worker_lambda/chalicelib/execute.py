"""One delivery of one command, to the end of its job."""

from __future__ import annotations

import time

from jobpipe.clock import now
from jobpipe.errors import JobEnded, Refusal
from jobpipe.queue_message import QueueMessage, decode_message
from jobpipe.stores import Stores
from jobpipe.telemetry import logger

from .clean_up import finish_clean_up, remove_uncommitted
from .command_handlers import handle
from .consume_batch import Delivery


def execute(delivery: Delivery, stores: Stores) -> None:
    """Apply the command and end its job; when this returns, the message may be deleted.

    Raises when the message must come again: an outage, a fault of ours, or a body that is no command.
    """
    started = time.perf_counter()
    message = decode_message(delivery.body)
    about: dict[str, object] = {
        "job_id": message.job.job_id,
        "item_id": message.command.item_id,
        "operation": message.command.operation,
        "request_id": message.request_id,
        "receive_count": delivery.receive_count,
    }
    try:
        about["outcome"] = _end(message, stores, redelivered=delivery.receive_count > 1)
    except Exception:
        logger.exception("command interrupted", extra=about)
        raise
    logger.info("command", extra={**about, "duration_ms": round((time.perf_counter() - started) * 1000, 1)})


def _end(message: QueueMessage, stores: Stores, *, redelivered: bool) -> str:
    try:
        try:
            handle(message.command, message.job, stores)
            outcome = "succeeded"
        except Refusal as refusal:
            stores.jobs.fail(message.job, refusal.to_problem(), now())
            outcome = f"failed: {refusal.slug}"
    except JobEnded:
        # Another delivery was first, or the job was cancelled or is long gone: this one changes nothing (P2).
        finish_clean_up(message.job, message.command.item_id, stores)
        return "ended before"
    if redelivered:
        remove_uncommitted(message.job, message.command.item_id, stores)
    return outcome
