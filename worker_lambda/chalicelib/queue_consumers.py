"""The consumers of the queue of commands and of its dead-letter queue; what each needs is imported by it alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from .consumer import Consumer
from .services import Services, open_services

ConsumerOf = Callable[[Services, Callable[[], float]], Consumer]


def open_commands() -> None:
    """Import what commands need, and make the clients, at the start of the process."""
    _commands()
    open_services()


def commands_consumer(seconds_left: Callable[[], float]) -> Consumer:
    """Return the consumer of the queue of commands."""
    return _commands()(open_services(), seconds_left)


def open_dead_letters() -> None:
    """Import what dead letters need, and make the clients, at the start of the process."""
    _dead_letters()
    open_services()


def dead_letters_consumer(seconds_left: Callable[[], float]) -> Consumer:
    """Return the consumer of the dead-letter queue."""
    return _dead_letters()(open_services(), seconds_left)


@cache
def _commands() -> ConsumerOf:
    from .command_consumer import command_consumer  # noqa: PLC0415  # dead letters do not need it

    return command_consumer


@cache
def _dead_letters() -> ConsumerOf:
    from .dead_letters import dead_letter_consumer  # noqa: PLC0415  # the worker does not need it

    return dead_letter_consumer
