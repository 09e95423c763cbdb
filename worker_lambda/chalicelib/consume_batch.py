"""Process a batch of SQS messages: different items in parallel, the commands of one item in order.

Lambda deletes all messages of the batch except those that the response names. When a command fails, the response
also names the later commands of the item, so that they cannot overtake it. A redelivered message may have killed
its worker. It is therefore processed alone, after all new messages, so that the cause is known if
the worker dies again. New messages may first be committed together, which saves AWS calls (group_commit.py).
The other messages are processed individually.

A group is the messages of one item, in order. They share one SQS message group.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from jobpipe.domain.limits import BACKOFF_JITTER, FIRST_BACKOFF, LONGEST_BACKOFF
from jobpipe.runtime.metrics import BATCH_SIZE, meter
from jobpipe.runtime.telemetry import describe_error, logger

from .consumer import NO_PROGRESS, CommandInterrupted, Consumer, Group, NoTimeLeft, Progress
from .sqs_messages import Delivery, parse_delivery

if TYPE_CHECKING:
    from jobpipe.domain.ports import ReceivedMessages

_MAX_BATCH = 10
_SHORTEST_DELAY = 1  # second; without a delay, a message could use up all of its receives within moments


@dataclass(frozen=True, slots=True)
class _Result:
    """The messages of a group that are done, and the messages that SQS delivers again after the delay."""

    done: Group
    returned: Group
    delay_seconds: int


def consume_batch(records: Sequence[Mapping[str, Any]], consumer: Consumer) -> dict[str, Any]:
    """Process the records. Return those that must be delivered again, in the format that Lambda expects."""
    groups: dict[str, Group] = defaultdict(list)
    for delivery in map(parse_delivery, records):
        groups[delivery.group_id if consumer.fifo else delivery.message_id].append(delivery)
    ungrouped = groups.pop("", [])
    _log_ungrouped(ungrouped)

    new, redelivered = _split(list(groups.values()), consumer)
    results = _announce(_process_in_parallel(new, consumer), consumer)
    results += _process_alone(redelivered, results, consumer)
    _postpone(results, consumer.queue)

    returned = [*ungrouped, *(delivery for result in results for delivery in result.returned)]
    logger.info("batch", extra={"messages": len(records), "items": len(groups), "returned": len(returned)})
    meter.add(BATCH_SIZE, len(records))
    meter.write()
    return {"batchItemFailures": [{"itemIdentifier": delivery.message_id} for delivery in returned]}


def _log_ungrouped(ungrouped: Group) -> None:
    # These messages are returned to their queue, because their order is unknown. They are not parked: if the parked
    # queue were a source of this function by mistake, each message would be parked over and over.
    for delivery in ungrouped:
        logger.error(
            "message without a group: its queue is not this function's FIFO queue",
            extra={"message_id": delivery.message_id, "queue": delivery.queue_arn},
        )


def _split(groups: list[Group], consumer: Consumer) -> tuple[list[Group], list[Group]]:
    """Return the groups to process in parallel, and those to process alone, with few attempts before many."""
    if consumer.charged_attempts is None:
        return groups, []
    new = [group for group in groups if all(delivery.receive_count == 1 for delivery in group)]
    redelivered = [group for group in groups if group not in new]
    if len(redelivered) > 1:
        attempts = threads().map(consumer.charged_attempts, [group[0] for group in redelivered])
        pairs = sorted(zip(attempts, redelivered, strict=True), key=lambda pair: pair[0])
        redelivered = [group for _, group in pairs]
    return new, redelivered


def _process_in_parallel(groups: list[Group], consumer: Consumer) -> list[_Result]:
    shared, separate = consumer.plan(groups) if consumer.plan is not None else (None, groups)
    if shared is None and len(separate) <= 1:
        return [_process_in_order(group, consumer) for group in separate]
    started = [threads().submit(_process_in_order, group, consumer) for group in separate]
    results = []
    if shared is not None:
        for group, progress in zip(shared.groups, shared.settle(), strict=True):
            if progress.done == len(group):
                results.append(_Result(group, [], 0))
            else:
                started.append(threads().submit(_process_in_order, group, consumer, progress))
    return results + [each.result() for each in started]


def _process_alone(groups: list[Group], earlier: list[_Result], consumer: Consumer) -> list[_Result]:
    """Process the groups one after another. Before each group, acknowledge the messages that are done."""
    results: list[_Result] = []
    done = [delivery for result in earlier for delivery in result.done]
    for group in groups:
        _acknowledge(done, consumer.queue)
        results += _announce([_process_in_order(group, consumer)], consumer)
        done = results[-1].done
    return results


def _process_in_order(group: Group, consumer: Consumer, progress: Progress = NO_PROGRESS) -> _Result:
    """Process the messages of one item. If one fails or has no time left, return it and the later ones to SQS."""
    i, resume = progress.done, progress.resume
    while i < len(group):
        delivery = group[i]
        fields = {"message_id": delivery.message_id, "messages_behind": len(group) - i - 1}
        try:
            i += _advance(delivery, consumer, resume)
            resume = None
        except NoTimeLeft:
            # The command is not started: if the invocation timed out during it, that would count as an attempt.
            logger.warning(
                "no time left: this message and the later messages of its item will be delivered again in 1 s",
                extra=fields,
            )
            return _Result(group[:i], group[i:], _SHORTEST_DELAY)
        except Exception as error:  # noqa: BLE001  # no error of one item may affect the others
            seconds = _delay_after(error, delivery)
            logger.warning(
                "message returned: this message and the later messages of its item will be delivered again in %d s",
                seconds,
                extra={**fields, "reason": describe_error(error.__cause__ or error), "again_in_seconds": seconds},
            )
            return _Result(group[:i], group[i:], seconds)
    return _Result(group, [], 0)


def _advance(delivery: Delivery, consumer: Consumer, resume: Callable[[], int] | None) -> int:
    """Process the message, or resume what the group commit began; return how many messages are done."""
    if resume is not None:
        return resume()
    if consumer.seconds_left() < consumer.reserve_seconds:
        raise NoTimeLeft
    consumer.process(delivery)
    return 1


def _delay_after(error: Exception, delivery: Delivery) -> int:
    # The receive count also includes deliveries that were lost to crashes caused by other commands. It is used
    # only if the interruption was not recorded.
    return backoff_seconds(error.interruptions if isinstance(error, CommandInterrupted) else delivery.receive_count)


def backoff_seconds(interruptions: int) -> int:
    """Return the delay in whole seconds: 1, 2, 4, 8 … up to LONGEST_BACKOFF, with random jitter."""
    doublings = min(interruptions - 1, 30)  # 2**1024 would overflow a float
    seconds: float = min(FIRST_BACKOFF.total_seconds() * 2**doublings, LONGEST_BACKOFF.total_seconds())
    return max(1, round(seconds * random.uniform(1 - BACKOFF_JITTER, 1.0)))


def _announce(results: list[_Result], consumer: Consumer) -> list[_Result]:
    """Send the ends of the finished jobs to the queue of events; return the results after that.

    If that fails for a group, all of its messages go back to SQS, so that their order stays. When they are
    delivered again, the worker finds that the jobs have ended, and sends the ends again.
    """
    finished = [result for result in results if result.done]
    if consumer.announce is None or not finished:
        return results
    try:
        confirmed = consumer.announce([result.done for result in finished])
    except Exception:  # noqa: BLE001  # committed ends must be sent, however the announcement fails
        logger.warning("the ends of jobs were not sent: the messages will be delivered again", exc_info=True)
        confirmed = [False] * len(finished)
    unconfirmed = {id(result) for result, is_sent in zip(finished, confirmed, strict=True) if not is_sent}
    return [_return_all(result) if id(result) in unconfirmed else result for result in results]


def _return_all(result: _Result) -> _Result:
    """Return the result of a group whose messages all go back to SQS."""
    delay = max(result.delay_seconds, backoff_seconds(result.done[0].receive_count))
    return _Result([], [*result.done, *result.returned], delay)


def _acknowledge(done: Group, queue: ReceivedMessages) -> None:
    # Lambda deletes messages only when the whole batch has ended. If the next command killed the worker, SQS would
    # deliver these messages again too, and later commands of the same items would have to wait.
    try:
        queue.delete([delivery.receipt_handle for delivery in done])
    except Exception:  # noqa: BLE001  # Lambda deletes them later, if the worker survives
        logger.warning("messages were not deleted early: Lambda deletes them when the batch ends", exc_info=True)


def _postpone(results: list[_Result], queue: ReceivedMessages) -> None:
    # All returned messages of an item get the same delay: SQS delivers nothing of a message group while one of its
    # messages is in flight, so a message with a longer delay would hold up the others.
    delays = [(delivery.receipt_handle, result.delay_seconds) for result in results for delivery in result.returned]
    try:
        queue.postpone(delays)
    except Exception:  # noqa: BLE001  # finished messages must be acknowledged nevertheless
        logger.warning(
            "the visibility timeout was not changed: the messages will be delivered again when it ends",
            exc_info=True,
        )


@cache
def threads() -> ThreadPoolExecutor:
    """Return the threads of this process, one for each message of a batch."""
    # They live on between invocations: on a small Lambda, starting ten threads costs more than a DynamoDB call.
    return ThreadPoolExecutor(max_workers=_MAX_BATCH, thread_name_prefix="item")
