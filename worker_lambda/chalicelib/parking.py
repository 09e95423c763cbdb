"""Move messages that are not valid commands to the parked queue, where an operator looks at them."""

from __future__ import annotations

from contextlib import suppress

from jobpipe.domain.clock import now
from jobpipe.domain.errors import CommandUnreadable, JobEnded, UndecodableMessage
from jobpipe.domain.jobs.message_decoding import UnreadableCommand
from jobpipe.runtime.metrics import DEAD_LETTERS, FAILED, PARKED, meter
from jobpipe.runtime.telemetry import logged_id, logger

from .services import Services
from .sqs_messages import Delivery

_MAX_REASON = 500


def park(delivery: Delivery, why: UndecodableMessage, source: str, services: Services) -> None:
    """Send the message to the parked queue; when this returns, it may be deleted from the queue `source`.

    If the message names a job, the job fails. It keeps the command for a retry by a release that can read it.
    """
    if isinstance(why, UnreadableCommand):
        problem = CommandUnreadable(f"The message of the command is parked: {why}").to_problem()
        with suppress(JobEnded):
            services.jobs.fail(why.job, problem, now(), why.kept, charge_attempt=False)
            meter.add(FAILED, reason=CommandUnreadable.slug)
            if source == "dead-letters":
                meter.add(DEAD_LETTERS)
    # The reason may quote the message, and SQS does not accept every character.
    reason = str(why).encode("ascii", "backslashreplace").decode()[:_MAX_REASON]
    reason = "".join(character if character.isprintable() else "?" for character in reason)
    origin = {"source": source, "message_id": delivery.message_id}
    services.parked.park(delivery.body, {"reason": reason, "group_id": delivery.group_id, **origin})
    meter.add(PARKED)
    # Neither the reason nor the body is logged: both may contain the caller's data.
    logger.error("message parked", extra={"group_id": logged_id(delivery.group_id), **origin})
