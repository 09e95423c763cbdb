"""P8: a message that is no command is parked, and delays nobody, not even the commands of its own message group.

An operator, or anybody else who may send to the queue, can put such a message there. It is sent between two updates
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
from scripts.prove.findings import Finding, judged, not_tried, unfinished

NAME = "an unreadable message delays nobody"
_PARKED_SECONDS = 30
_MOST = 500  # parked messages that are looked at
_LONGEST_DELAY, _SLOWER = 20.0, 3
"""Seconds from a 202 to the end of its job, or so many times those of the check of order, if that is more."""


def run(bench: Bench) -> list[Finding]:
    """Put a message that is no command among the updates of an item."""
    size, sqs = bench.plan.size, bench.stage.clients.sqs
    item_ids = bench.create(2)
    mark = f"{bench.name}: this is no command"
    queue = ParkedQueue(
        bench.stage.clients, bench.stage.resource("parked_queue_url"), bench.stage.resource("commands_queue_url")
    )
    first = send_updates(bench, item_ids, 1, 2)
    bench.ended(first.jobs.values())
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
    # The updates begin anew: the first one has its effect once more, and the later ones follow the message.
    sender = send_updates(bench, item_ids, size.around, 2)
    updates, finals = outcomes(bench, sender)
    done = (
        f"put a message that is no command on the queue of commands, in the message group of an item, and sent "
        f"{size.around} updates of that item and of another one after it"
    )
    if waiting := not_ended(updates):
        return [unfinished(NAME, "P8", done, f"{len(waiting)} jobs had not ended: {waiting[0]}")]
    parked = sent.parked(bench.pause)
    wrong = [
        *not_succeeded(updates),
        *wrong_results(updates),
        *wrong_finals(updates, finals),
        *delayed(updates, bench.slowest),
    ]
    took = slowest(updates)
    seen = f"the message was parked; the updates succeeded in order, the slowest {took:.1f} s after its 202"
    return [judged(NAME, "P8", done, seen, wrong + ([] if parked else ["the message was not parked in 30 s"]))]


@dataclass
class _Sent:
    """The message on its way to the parked queue."""

    queue: ParkedQueue
    mark: str  # its body
    exists: bool = True

    def parked(self, pause: Callable[[float], object]) -> list[Parked]:
        """Return the parked message once it is there, or nothing after half a minute."""
        end = time.monotonic() + _PARKED_SECONDS
        while True:
            found = [each for each in self.queue.look(_MOST) if each.beginning == self.mark]
            if found or time.monotonic() > end:
                return found
            pause(1)

    def drop(self) -> None:
        """Delete the parked message; if it was sent a moment ago, wait for it."""
        if not self.exists:
            return
        ids = [each.message_id for each in self.parked(time.sleep)]
        if not ids:
            raise OperatorError("it is not on the parked queue yet; make parked shows it later")
        self.queue.drop(_MOST, ids, lambda _: None)


def delayed(updates: Sequence[Update], undisturbed: float) -> list[str]:
    """Return the updates that something has held up; without it the slowest one took `undisturbed` seconds."""
    most = max(_LONGEST_DELAY, _SLOWER * undisturbed)
    return [f"{each} took {each.seconds:.0f} s" for each in updates if each.job["done"] and each.seconds > most]
