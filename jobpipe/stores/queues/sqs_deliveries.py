"""The FIFO queue of deliveries to make now, and the queue of deliveries that wait for a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

from jobpipe.domain.errors import Unavailable
from jobpipe.domain.events.delivery_messages import DeliveryMessage, SendAgain, Sweep, WakeLine
from jobpipe.runtime.aws import AwsClients, aws_call

_QUEUE = "The queue of deliveries"
_LONGEST_DELAY = 900  # seconds, a limit of SQS
_IN_ONE_CALL = 10  # messages, a limit of SQS


class SqsDeliveries:
    """An implementation of DeliveryQueue on SQS."""

    def __init__(self, clients: AwsClients, queue_url: str, later_url: str) -> None:
        """`queue_url` is the URL of the FIFO queue, `later_url` the URL of the queue with delays."""
        self._clients = clients
        self._queue_url = queue_url
        self._later_url = later_url

    def deliver_now(self, lines: Sequence[WakeLine]) -> None:
        """Deliver the heads of these lines."""
        self._send(lines)

    def deliver_later(self, message: WakeLine | SendAgain, pause: timedelta) -> None:
        """Deliver the message after the pause; it may come earlier, and is then sent again."""
        # SQS takes whole seconds. A message that comes too early is sent once more.
        self._send_later(message, max(timedelta(seconds=1), pause))

    def deliver_again(self, replays: Sequence[SendAgain]) -> None:
        """Deliver each of these events once more, outside its line."""
        self._send(replays)

    def sweep(self, sweep: Sweep, pause: timedelta = timedelta()) -> None:
        """Wake or replay the deliveries of a webhook, page after page; begin after the pause."""
        self._send_later(sweep, pause)

    def _send_later(self, message: DeliveryMessage, pause: timedelta) -> None:
        seconds = min(_LONGEST_DELAY, round(pause.total_seconds()))
        with aws_call(_QUEUE):
            self._clients.sqs.send_message(
                QueueUrl=self._later_url, MessageBody=message.encode(), DelaySeconds=seconds
            )

    def _send(self, messages: Sequence[WakeLine | SendAgain]) -> None:
        for start in range(0, len(messages), _IN_ONE_CALL):
            # The same line may be woken again within the five minutes in which SQS drops repeated messages.
            entries: list[Any] = [
                {
                    "Id": str(n),
                    "MessageBody": message.encode(),
                    "MessageGroupId": message.group_id,
                    "MessageDeduplicationId": message.deduplication_id or uuid4().hex,
                }
                for n, message in enumerate(messages[start : start + _IN_ONE_CALL])
            ]
            with aws_call(_QUEUE):
                response = self._clients.sqs.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
            if len(response.get("Successful", [])) < len(entries):
                raise Unavailable("Messages to the queue of deliveries were not confirmed.")
