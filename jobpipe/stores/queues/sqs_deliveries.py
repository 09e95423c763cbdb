"""The two queues of deliveries: the FIFO queue of what is delivered now, and the queue of what waits for a time."""

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
    """DeliveryQueue on SQS."""

    def __init__(self, clients: AwsClients, queue_url: str, later_url: str) -> None:
        """`queue_url` is that of the FIFO queue, and `later_url` that of the queue with delays."""
        self._clients = clients
        self._queue_url = queue_url
        self._later_url = later_url

    def deliver_now(self, lines: Sequence[WakeLine]) -> None:
        """Let the heads of these lines be delivered."""
        self._send(lines)

    def deliver_later(self, message: WakeLine | SendAgain, pause: timedelta) -> None:
        """Let the message come when it is due, after the pause, or let it be asked again before."""
        # SQS takes whole seconds. A message that comes too early is sent once more.
        self._send_later(message, max(timedelta(seconds=1), pause))

    def deliver_again(self, replays: Sequence[SendAgain]) -> None:
        """Let each of these events be delivered once more, outside of its line."""
        self._send(replays)

    def sweep(self, sweep: Sweep, pause: timedelta = timedelta()) -> None:
        """Let the deliveries of a webhook be woken or replayed, page after page; begin after the pause."""
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
