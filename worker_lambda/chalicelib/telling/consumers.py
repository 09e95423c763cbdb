"""How the messages of the queues of telling are processed."""

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
from .services import TellingServices
from .tell import tell
from .wait import sweep, wake_in_time

SecondsLeft = Callable[[], float]


def events_consumer(services: TellingServices, seconds_left: SecondsLeft) -> Consumer:
    """Return the consumer of the queue of events."""
    return Consumer(
        process=lambda message: tell(message, services, seconds_left),
        charged_attempts=None,  # it runs no command, so it cannot kill its process
        queue=services.events_received,
        reserve_seconds=services.reserve_seconds,
        seconds_left=seconds_left,
    )


def deliveries_consumer(services: TellingServices, seconds_left: SecondsLeft) -> Consumer:
    """Return the consumer of the FIFO queue of deliveries."""

    def process(message: Message) -> None:
        match _decoded(message):
            case WakeLine() as wake:
                deliver_line(wake, services, seconds_left)
            case SendAgain() as replay:
                send_again(replay, services, is_repeated=message.receive_count > 1)
            case other:
                _log_misplaced(other, message)
        # Lambda deletes messages when the whole batch has ended. A slow receiver in the batch would hold up the
        # next message of every other one in it.
        _delete_early(message, services)

    return Consumer(
        process=process,
        charged_attempts=None,
        queue=services.deliveries_received,
        reserve_seconds=RESERVE_SECONDS,
        seconds_left=seconds_left,
    )


def later_consumer(services: TellingServices, seconds_left: SecondsLeft) -> Consumer:
    """Return the consumer of the queue of later deliveries."""

    def process(message: Message) -> None:
        match _decoded(message):
            case WakeLine() | SendAgain() as waiting:
                wake_in_time(waiting, services)
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


def _decoded(message: Message) -> DeliveryMessage | None:
    """Return the message; None if it is none, which is logged. Raise NewerMessage for one of a later release."""
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


def _delete_early(message: Message, services: TellingServices) -> None:
    try:
        services.deliveries_received.delete([message.receipt_handle])
    except Exception:  # noqa: BLE001  # Lambda deletes it when the batch ends
        logger.warning("message not deleted early: Lambda deletes it when the batch ends", exc_info=True)
