"""A batch of up to ten SQS messages: items in parallel, the commands of one item in order.

With ReportBatchItemFailures on a FIFO queue, Lambda deletes all messages but the ones that we name. Of an item
whose command failed, the later ones are named too, unprocessed: otherwise they would overtake it.

A message that comes again may be one that kills its worker, and whatever ran beside it comes again with it. So
from its second receive on a message runs alone, after all that are here for the first time, the least attempted
first: if the worker dies then, that message caused it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

from jobpipe.domain.errors import JobpipeError
from jobpipe.domain.limits import BACKOFF_JITTER, FIRST_BACKOFF, LONGEST_BACKOFF
from jobpipe.domain.ports import ReceivedMessages
from jobpipe.runtime.metrics import BATCH_SIZE, meter
from jobpipe.runtime.telemetry import described, logger

_MAX_BATCH = 10
_SHORTEST_DELAY = 1  # second; with no delay, a message could use up all its receives within moments


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as SQS delivered it, this time."""

    message_id: str
    body: str
    receive_count: int  # 1 at first; how often this message was delivered, for whatever reason
    receipt: str = ""  # of this delivery, by which SQS lets it be postponed
    group_id: str = ""
    sent_ms: int = 0  # when, in milliseconds since 1970
    trace: str = ""  # X-Ray's header of who sent it
    source: str = ""  # the ARN of its queue


class NotOfSqs(JobpipeError):
    """The event is not from SQS: something else invoked the function."""


class MessageReturned(Exception):
    """SQS must deliver the message again. `times` counts how often its job was interrupted, this time included."""

    def __init__(self, times: int) -> None:
        super().__init__(f"for the {times}. time")
        self.times = times


@dataclass(frozen=True, slots=True)
class Handling:
    """What is done with the deliveries of a queue."""

    process: Callable[[Delivery], None]  # when it returns, the message may be deleted; when it raises, not
    # The attempts charged to a redelivered message, which runs alone; with None, all items run side by side.
    charged: Callable[[Delivery], int] | None
    received: ReceivedMessages
    reserve_seconds: float  # what must be left of the time to begin with another message
    seconds_left: Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Returned:
    """How far a line came: what is done of it, what is left, and when that is to come again."""

    done: list[Delivery]
    rest: list[Delivery]
    seconds: int


def consume_batch(records: Sequence[Mapping[str, Any]], handling: Handling) -> dict[str, Any]:
    """Process the records and name those to be delivered again, in the form that Lambda reads."""
    deliveries = [_delivery(record) for record in records]
    lines: dict[str, list[Delivery]] = {}
    for delivery in deliveries:
        if delivery.group_id:
            lines.setdefault(delivery.group_id, []).append(delivery)
    ungrouped = [delivery for delivery in deliveries if not delivery.group_id]
    _log_ungrouped(ungrouped)

    def process(line: list[Delivery]) -> _Returned:
        return _process_in_order(line, handling)

    fresh = [
        line
        for line in lines.values()
        if handling.charged is None or all(delivery.receive_count == 1 for delivery in line)
    ]
    again = [line for line in lines.values() if line not in fresh]
    returned = list(_threads().map(process, fresh)) if len(fresh) > 1 else [process(line) for line in fresh]
    done = [delivery for each in returned for delivery in each.done]
    for line in _fewest_attempts_first(again, handling.charged):
        _acknowledge(done, handling.received)
        returned.append(process(line))
        done = returned[-1].done

    returned = [each for each in returned if each.rest]
    if returned:
        _postpone(returned, handling.received)
    back = [*ungrouped, *(delivery for each in returned for delivery in each.rest)]
    failures = [{"itemIdentifier": delivery.message_id} for delivery in back]
    logger.info("batch", extra={"messages": len(records), "items": len(lines), "returned": len(failures)})
    meter.add(BATCH_SIZE, len(records))
    meter.write()
    return {"batchItemFailures": failures}


def records_of(event: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The messages of an event; NotOfSqs if it is not from SQS, such as a test event of Lambda's console."""
    records = event.get("Records")
    if not isinstance(records, list) or any("messageId" not in record for record in records):
        raise NotOfSqs("This function takes only messages of its SQS queue.")
    return records


def _log_ungrouped(ungrouped: list[Delivery]) -> None:
    # These messages are returned to their queue. Their order is not known, and parking them would loop forever if
    # the parked queue were the event source.
    for delivery in ungrouped:
        logger.error(
            "message without a group: its queue is not this function's FIFO queue",
            extra={"message_id": delivery.message_id, "queue": delivery.source},
        )


def _process_in_order(line: list[Delivery], handling: Handling) -> _Returned:
    """What is left of the line after its first failure, the failed one included, or when the time is up."""
    for i, delivery in enumerate(line):
        if handling.seconds_left() < handling.reserve_seconds:
            # To be killed by the time-out in the middle of it would cost this command an attempt.
            logger.warning(
                "no time left: the message and those behind it will be delivered again in 1 s",
                extra={"message_id": delivery.message_id, "behind": len(line) - i - 1},
            )
            return _Returned(line[:i], line[i:], _SHORTEST_DELAY)
        try:
            handling.process(delivery)
        except Exception as error:  # noqa: BLE001  # whatever it is, it must not cost the other items theirs
            # Receives count other things too, such as a neighbour's deaths; they have to do if nothing was noted.
            seconds = backoff_seconds(error.times if isinstance(error, MessageReturned) else delivery.receive_count)
            logger.warning(
                "message returned",
                extra={
                    "message_id": delivery.message_id,
                    "reason": described(error.__cause__ or error),
                    "behind": len(line) - i - 1,
                    "again_in_seconds": seconds,
                },
            )
            return _Returned(line[:i], line[i:], seconds)
    return _Returned(line, [], 0)


def _fewest_attempts_first(
    lines: list[list[Delivery]], charged: Callable[[Delivery], int] | None
) -> list[list[Delivery]]:
    if charged is None or len(lines) <= 1:
        return lines
    attempts = list(_threads().map(lambda line: charged(line[0]), lines))
    return [line for _, line in sorted(zip(attempts, lines, strict=True), key=lambda pair: pair[0])]


def _acknowledge(done: list[Delivery], received: ReceivedMessages) -> None:
    # Lambda deletes the messages of a batch only when all of it is done. If the next command kills the worker,
    # SQS would deliver these again too, and later commands of their items would wait for that each time. A command
    # that kills its worker must not delay other items (P8).
    try:
        received.delete([delivery.receipt for delivery in done])
    except Exception:  # noqa: BLE001  # Lambda deletes them still, if the worker lives
        logger.warning("messages were not deleted early: Lambda deletes them when the batch ends", exc_info=True)


def backoff_seconds(times: int) -> int:
    """1, 2, 4, 8 … seconds, up to the longest, each shortened a little at random; SQS takes whole seconds only."""
    doublings = min(times - 1, 30)  # a float would overflow before a thousand receives do
    seconds: float = min(FIRST_BACKOFF.total_seconds() * 2**doublings, LONGEST_BACKOFF.total_seconds())
    return max(1, round(seconds * random.uniform(1 - BACKOFF_JITTER, 1.0)))


def _postpone(returned: list[_Returned], received: ReceivedMessages) -> None:
    # All of a line alike: SQS gives nothing of a group while a message of it is in flight, so one that stayed away
    # for the queue's whole visibility would hold up those that are back before it.
    try:
        received.postpone([(delivery.receipt, each.seconds) for each in returned for delivery in each.rest])
    except Exception:  # noqa: BLE001  # what was done must be acknowledged all the same
        logger.warning(
            "visibility was not changed: the messages will be delivered again when it ends", exc_info=True
        )


def _delivery(record: Mapping[str, Any]) -> Delivery:
    attributes = record["attributes"]
    return Delivery(
        message_id=record["messageId"],
        body=record["body"],
        receive_count=int(attributes["ApproximateReceiveCount"]),
        receipt=record["receiptHandle"],
        group_id=str(attributes.get("MessageGroupId", "")),
        sent_ms=int(attributes.get("SentTimestamp", 0)),
        trace=str(attributes.get("AWSTraceHeader", "")),
        source=str(record.get("eventSourceARN", "")),
    )


@cache
def _threads() -> ThreadPoolExecutor:
    # Kept between invocations: starting ten threads costs more than a DynamoDB call on a small Lambda.
    return ThreadPoolExecutor(max_workers=_MAX_BATCH, thread_name_prefix="item")
