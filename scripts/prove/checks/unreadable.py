"""P8: a message that is not a command is parked, and delays no commands, not even those of its message group.

Anybody who may send to the queue, such as an operator, can put such a message there. It is sent between two updates
of an item, in the group of that item, and deleted from the parked queue at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from botocore.exceptions import ClientError

from infra.cli.aws_errors import describe, is_denied
from infra.errors import OperatorError
from scripts.parked.queue import Parked, ParkedQueue
from scripts.prove.bench import Bench
from scripts.prove.checks.updates import (
    Update,
    not_ended,
    not_succeeded,
    outcomes,
    send_updates,
    slowest,
    wrong_finals,
    wrong_results,
)
from scripts.prove.findings import Finding, judge, not_tried, unfinished

NAME = "an unreadable message delays no commands"
_PARKED_SECONDS = 30
_MAX_PARKED = 500  # parked messages to look at
_LONGEST_DELAY, _SLOWER = 20.0, 3
"""The maximum seconds from a 202 to the end of its job, or how many times the slowest update of the order check."""


def run(bench: Bench) -> list[Finding]:
    """Put a message that is not a command among the updates of an item."""
    size, sqs = bench.plan.size, bench.stage.clients.sqs
    item_ids = bench.create(2)
    mark = f"{bench.name}: this is not a command"
    queue = ParkedQueue(
        bench.stage.clients, bench.stage.resource("parked_queue_url"), bench.stage.resource("commands_queue_url")
    )
    first = send_updates(bench, item_ids, 1, 2)
    bench.wait_for(first.jobs.values())
    sent = _Sent(queue, mark)
    bench.made.later("the unreadable message", sent.drop)
    try:
        sqs.send_message(
            QueueUrl=queue.commands_url,
            MessageBody=mark,
            MessageGroupId=item_ids[0],
            MessageDeduplicationId=bench.name,
        )
    except ClientError as error:
        if not is_denied(error):
            raise
        sent.exists = False
        return [not_tried(NAME, "P8", describe(error))]
    # The updates start again: the first update takes effect once more, and the later updates follow the message.
    sender = send_updates(bench, item_ids, size.around, 2)
    updates, finals = outcomes(bench, sender)
    done = (
        f"put a message that is not a command into the commands queue, in the message group of an item, and then "
        f"sent {size.around} updates of that item and of another item"
    )
    if waiting := not_ended(updates):
        return [unfinished(NAME, "P8", done, f"{len(waiting)} jobs had not ended: {waiting[0]}")]
    parked = sent.parked(bench.pause)
    wrong = [
        *not_succeeded(updates),
        *wrong_results(updates),
        *wrong_finals(updates, finals),
        *delayed_updates(updates, bench.slowest),
    ]
    took = slowest(updates)
    seen = f"the message was parked; the updates succeeded in order, the slowest {took:.1f} s after its 202"
    return [judge(NAME, "P8", done, seen, wrong + ([] if parked else ["the message was not parked in 30 s"]))]


@dataclass
class _Sent:
    """The message on its way to the parked queue."""

    queue: ParkedQueue
    mark: str  # its body
    exists: bool = True

    def parked(self, pause: Callable[[float], object]) -> list[Parked]:
        """Wait for the parked message and return it, or an empty list after half a minute."""
        end = time.monotonic() + _PARKED_SECONDS
        while True:
            found = [each for each in self.queue.look(_MAX_PARKED) if each.beginning == self.mark]
            if found or time.monotonic() > end:
                return found
            pause(1)

    def drop(self) -> None:
        """Delete the parked message, and wait for it if needed."""
        if not self.exists:
            return
        ids = [each.message_id for each in self.parked(time.sleep)]
        if not ids:
            raise OperatorError("the message is not in the parked queue yet; make parked shows it later")
        self.queue.drop(_MAX_PARKED, ids, lambda _: None)


def delayed_updates(updates: Sequence[Update], undisturbed: float) -> list[str]:
    """Return the updates that were delayed. Undisturbed, the slowest update took `undisturbed` seconds."""
    limit = max(_LONGEST_DELAY, _SLOWER * undisturbed)
    return [f"{each} took {each.seconds:.0f} s" for each in updates if each.job["done"] and each.seconds > limit]
