"""The consumers of the queues of events and deliveries."""

from __future__ import annotations

from collections.abc import Callable

from jobpipe.domain.errors import UndecodableMessage
from jobpipe.domain.events.delivery_messages import (
    DeliveryMessage,
    SendAgain,
    Sweep,
    WakeLine,
    decode_delivery_message,
)
from jobpipe.runtime.telemetry import logger

from ..consumer import Consumer
from ..sqs_messages import Delivery as Message
from .deliver import RESERVE_SECONDS, deliver_line, send_again
from .notify import notify
from .services import NotificationServices
from .wait import sweep, wake_when_due

SecondsLeft = Callable[[], float]


def events_consumer(services: NotificationServices, seconds_left: SecondsLeft) -> Consumer:
    """Return the consumer of the queue of events."""
    return Consumer(
        process=lambda message: notify(message, services, seconds_left),
        charged_attempts=None,  # it runs no command, so it cannot kill its process
        queue=services.events_received,
        reserve_seconds=services.reserve_seconds,
        seconds_left=seconds_left,
    )


def deliveries_consumer(services: NotificationServices, seconds_left: SecondsLeft) -> Consumer:
    """Return the consumer of the FIFO queue of deliveries."""

    def process(message: Message) -> None:
        match _decode(message):
            case WakeLine() as wake:
                deliver_line(wake, services, seconds_left)
            case SendAgain() as replay:
                send_again(replay, services, is_repeated=message.receive_count > 1)
            case other:
                _log_misplaced(other, message)
        # Lambda deletes messages when the whole batch has ended. Until then, a slow receiver would hold up the next
        # messages of all other receivers in the batch.
        _delete_early(message, services)

    return Consumer(
        process=process,
        charged_attempts=None,
        queue=services.deliveries_received,
        reserve_seconds=RESERVE_SECONDS,
        seconds_left=seconds_left,
    )


def later_consumer(services: NotificationServices, seconds_left: SecondsLeft) -> Consumer:
    """Return the consumer of the queue of later deliveries."""

    def process(message: Message) -> None:
        match _decode(message):
            case WakeLine() | SendAgain() as waiting:
                wake_when_due(waiting, services)
            case Sweep() as place:
                sweep(place, services)
            case other:
                _log_misplaced(other, message)

    return Consumer(
        process=process,
        charged_attempts=None,
        queue=services.later_received,
        reserve_seconds=services.reserve_seconds,
        seconds_left=seconds_left,
        fifo=False,
    )


def _decode(message: Message) -> DeliveryMessage | None:
    """Return the message; if it is not valid, log it and return None. Raise NewerMessage for a later release's."""
    try:
        return decode_delivery_message(message.body)
    except UndecodableMessage as why:
        logger.error("message about deliveries dropped: %s", why, extra={"message_id": message.message_id})
        return None


def _log_misplaced(decoded: DeliveryMessage | None, message: Message) -> None:
    if decoded is not None:
        logger.error(
            "message about deliveries dropped: it is for the other queue", extra={"message_id": message.message_id}
        )


def _delete_early(message: Message, services: NotificationServices) -> None:
    try:
        services.deliveries_received.delete([message.receipt_handle])
    except Exception:  # noqa: BLE001  # Lambda deletes it when the batch ends
        logger.warning("message not deleted early: Lambda deletes it when the batch ends", exc_info=True)
