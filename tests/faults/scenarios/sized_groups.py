"""Batches of one, two and ten messages, of one document and of ten, for `make faults` only.

The messages wait already when the faults begin, so that each fault is at a call of a worker. In some batches one of
the messages is for a job that is cancelled before the commit, that its caller has retried, that is there twice, or
that has expired.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.faults.histories.history import SentCommand
from tests.faults.scenarios.parts import SCENARIOS, Action, ask, create, existing, existing_in, put_in
from tests.faults.stage.world import World
from tests.helpers.shop import order, subscription

_KEY = "sent-twice"
Send = Callable[[], object]
Documents = Callable[[World, SentCommand], list[Send]]
"""Returns the ten commands of a batch; one of them is for this item."""

SendSpecial = Callable[[], SentCommand | None]
"""Sends the special message of a batch, and returns its command if it is to be cancelled."""

Message = Callable[[World, SentCommand], SendSpecial]
"""Prepares the special message, which is for this item."""


def _of_one_document(world: World, tent: SentCommand) -> list[Send]:
    """Return ten commands of one item: changes, reads, renames, a refusal, its end, and what follows it."""
    change = partial(ask, world, "merge", tent)
    return [
        partial(change, n=1),
        partial(change, name="yurt"),
        partial(ask, world, "read", tent),
        partial(ask, world, "set", tent, name="hut", m=1),
        partial(change, if_match='"0123456789abcdef"', n=2),
        partial(change, n=3),
        partial(ask, world, "set", tent, name="tent", text="small"),
        partial(ask, world, "read", tent),
        partial(ask, world, "delete", tent),
        partial(change, n=4),
    ]


def _of_many_documents(world: World, tent: SentCommand) -> list[Send]:
    """Return ten commands of ten documents: every kind, refusals, and names and values that two of them want."""
    yurt, hut, igloo, house = (existing(world, name) for name in ("yurt", "hut", "igloo", "house"))
    existing_in(world, "orders", order(invoice=7))
    return [
        partial(ask, world, "merge", tent, n=1),
        partial(create, world, "cabin"),
        partial(ask, world, "delete", yurt),
        partial(ask, world, "set", igloo, name="yurt"),
        partial(put_in, world, "orders", order(invoice=8), operation="upsert"),
        partial(put_in, world, "orders", order("A-2", invoice=7)),
        partial(create, world, "cabin"),
        partial(ask, world, "read", hut),
        partial(ask, world, "merge", house, if_match='"0123456789abcdef"', n=1),
        partial(put_in, world, "subscriptions", subscription("7")),
    ]


def _cancelled(world: World, item: SentCommand) -> SendSpecial:
    return partial(ask, world, "merge", item, cancelled=True)


def _retried(world: World, item: SentCommand) -> SendSpecial:
    """The command has failed since its name was taken; now the name is free."""
    shed = existing(world, "shed")
    renamed = ask(world, "merge", item, name="shed")
    world.settle()
    ask(world, "delete", shed)
    world.settle()

    def send() -> None:
        world.retry(renamed)

    return send


def _replayed(world: World, item: SentCommand) -> SendSpecial:
    """The first message of the batch is sent again, when SQS does not recognise it."""
    first = ask(world, "merge", item, key=_KEY, colour="red")

    def send() -> None:
        world.lapse_of_deduplication()
        world.replay(first, _KEY)

    return send


def _expired(world: World, item: SentCommand) -> SendSpecial:
    def send() -> None:
        world.expire(ask(world, "merge", item, expired=True))

    return send


def _prepare(world: World, documents: Documents, message: Message | None, size: int) -> Action:
    tent = existing(world, "tent")
    commands = iter(documents(world, tent))
    send_special = message(world, tent) if message is not None else None
    to_cancel = None
    while (waiting := world.waiting()) < size:
        if send_special is not None and waiting == size // 2:
            to_cancel, send_special = send_special(), None
        else:
            next(commands)()

    def action() -> None:
        if to_cancel is not None:
            world.injector.hooks["transact_write_items"] = partial(world.cancel, to_cancel)

    return action


_MESSAGES: dict[str, Message | None] = {
    "": None,
    "_with_a_cancel": _cancelled,
    "_with_a_retry": _retried,
    "_with_a_replay": _replayed,
    "_with_an_expired_job": _expired,
}
_BATCHES: dict[str, tuple[int, Documents]] = {
    "one_of_one_document": (1, _of_one_document),
    "two_of_one_document": (2, _of_one_document),
    "two_of_many_documents": (2, _of_many_documents),
    "ten_of_one_document": (10, _of_one_document),
    "ten_of_many_documents": (10, _of_many_documents),
}

NAMES = {
    batch: [
        f"{batch}{suffix}" for suffix, message in _MESSAGES.items() if size > 1 or message is not _replayed
    ]  # a replay is a second message
    for batch, (size, _) in _BATCHES.items()
}
"""The names of the scenarios, for each kind of batch."""

for _batch, (_size, _documents) in _BATCHES.items():
    for _suffix, _message in _MESSAGES.items():
        if (_name := f"{_batch}{_suffix}") in NAMES[_batch]:
            SCENARIOS[_name] = partial(_prepare, documents=_documents, message=_message, size=_size)
