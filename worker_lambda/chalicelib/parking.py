"""Messages that are no command of ours: moved out of the way, with the reason, for a person to look at."""

from __future__ import annotations

from contextlib import suppress

from jobpipe.domain.clock import now
from jobpipe.domain.errors import CommandUnreadable, JobEnded, UndecodableMessage
from jobpipe.domain.queue_message import UnreadableCommand
from jobpipe.runtime.metrics import DEAD_LETTERS, FAILED, PARKED, meter
from jobpipe.runtime.telemetry import logged_id, logger

from .consume_batch import Delivery
from .services import Services

_MAX_REASON = 500


def park(delivery: Delivery, why: UndecodableMessage, source: str, services: Services) -> None:
    """Keep the message on the parked queue; when this returns, it may be deleted where it was.

    If its job is known, that ends as failed, so that nobody waits for it for ever. The command stays with it, for a
    retry with a release that reads it.
    """
    if isinstance(why, UnreadableCommand):
        problem = CommandUnreadable(f"Its message is parked: {why}").to_problem()
        with suppress(JobEnded):
            services.jobs.fail(why.job, problem, now(), why.kept, attempt=False)
            meter.add(FAILED, reason=CommandUnreadable.slug)
            if source == "dead-letters":
                meter.add(DEAD_LETTERS)
    # The reason may quote the message, and SQS does not take every character.
    reason = str(why).encode("ascii", "backslashreplace").decode()[:_MAX_REASON]
    reason = "".join(character if character.isprintable() else "?" for character in reason)
    about = {"reason": reason, "source": source, "group_id": delivery.group_id, "message_id": delivery.message_id}
    services.parked.park(delivery.body, about)
    meter.add(PARKED)
    # The reason stays with the message: it may quote it, and bodies are not logged. A group is named by its item.
    logged = {"source": source, "group_id": logged_id(delivery.group_id), "message_id": delivery.message_id}
    logger.error("message parked", extra=logged)
