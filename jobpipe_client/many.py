"""Submitting any number of commands in batches, lazily and concurrently. It is safe to repeat with the same key.

    commands ── split into batches ── window, up to 2 x concurrency ── yielded in their order
                                         │ up to `concurrency` at a time, each with its own idempotency key
                                         └─ POST /batches

The API keeps the order of two commands only if the second is sent after the 202 of the first. So a batch waits in
the window while an earlier batch without a response has a command for the same item. A create that gets a new id
does not wait. An upsert, or a create in a collection with a key, names its item by the key: it waits for earlier
commands with the same key, and for earlier commands of its collection that name an item by id. Commands that name
an item by id likewise wait for earlier commands of their collection that name it by key.
"""

from __future__ import annotations

import os
import threading
import unicodedata
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_result,
    sleep_using_event,
    stop_after_attempt,
    stop_any,
    stop_when_event_set,
    wait_random_exponential,
)

from jobpipe_client import calls
from jobpipe_client.batch_models import Batch, Submission
from jobpipe_client.calls import Json
from jobpipe_client.exceptions import InvalidRequest, InvalidResponse, TooLarge, Unavailable
from jobpipe_client.http.responses import parse_batch
from jobpipe_client.http.transport import Transport
from jobpipe_client.problem import Problem

MAX_COMMANDS = 100  # in one batch
MAX_BODY = 1024 * 1024  # bytes in one request
LONGEST_KEY = 200  # leaves room for a batch's number within the 255 characters of an Idempotency-Key
_EMPTY_BODY = len(b'{"commands":[]}')
_TOO_LARGE, _UNAVAILABLE = 413, 503
_BACKOFF = wait_random_exponential(multiplier=0.2, max=5)

FindKeyField = Callable[[str], str | None]
"""Returns the key field of a collection, or None if the collection has no key or is unknown."""


@dataclass(frozen=True, slots=True)
class _Part:
    """The commands of one batch."""

    first: int  # the place of the first command among all commands
    commands: list[Json]
    encoded: list[bytes]

    def next(self) -> _Part:
        return _Part(self.first + len(self.commands), [], [])

    def halves(self) -> tuple[_Part, _Part]:
        half = len(self.commands) // 2
        return (
            _Part(self.first, self.commands[:half], self.encoded[:half]),
            _Part(self.first + half, self.commands[half:], self.encoded[half:]),
        )


@dataclass(slots=True)
class _Items:
    """The items that commands name, as pairs of a collection and an id or a key."""

    by_id: set[tuple[str, str]] = field(default_factory=set)
    by_key: set[tuple[str, Any]] = field(default_factory=set)  # the key None stands for all keys

    def may_overlap(self, other: _Items) -> bool:
        """Return whether both may name the same item."""
        if not self.by_id.isdisjoint(other.by_id) or not self.by_key.isdisjoint(other.by_key):
            return True
        mine, others = _collection_names(self.by_key), _collection_names(other.by_key)
        return bool(
            mine & _collection_names(other.by_id)
            or others & _collection_names(self.by_id)
            or any((name, None) in self.by_key | other.by_key for name in mine & others)
        )

    def add(self, other: _Items) -> None:
        self.by_id |= other.by_id
        self.by_key |= other.by_key


@dataclass(slots=True)
class _WindowEntry:
    part: _Part
    key: str
    items: _Items  # the items that the commands name
    result: Future[list[Submission]] | None = None  # None until the batch is sent

    @property
    def accepted(self) -> bool:
        return self.result is not None and self.result.done() and self.result.exception() is None


def submit_many(
    transport: Transport,
    commands: Iterable[Json],
    *,
    concurrency: int,
    batch_size: int,
    key: str | None,
    find_key_field: FindKeyField,
) -> Generator[Submission, None, None]:
    """Return a generator of a submission for each command, in order. Closing it stops sending.

    Without `key`, the batches get a random key. If `find_key_field` returns None for a collection, all upserts of
    this collection are sent in order. Raise ValueError at once for arguments out of range.
    """
    if concurrency < 1:
        raise ValueError("concurrency must be at least 1")
    if not 1 <= batch_size <= MAX_COMMANDS:
        raise ValueError(f"batch_size must be 1 to {MAX_COMMANDS}")
    key = str(uuid.uuid4()) if key is None else calls.check_key(key, longest=LONGEST_KEY)
    return _submit_batches(transport, _split(commands, batch_size), concurrency, key, find_key_field)


def _submit_batches(
    transport: Transport, batches: Iterator[_Part], concurrency: int, key: str, find_key_field: FindKeyField
) -> Generator[Submission, None, None]:
    owner = os.getpid()
    stopped = threading.Event()
    sender = _Sender(transport, stopped)
    parts: Iterator[_Part] | None = batches
    failure: Exception | None = None
    number = 0
    window: deque[_WindowEntry] = deque()
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="jobpipe-submit")
    try:
        while True:
            if os.getpid() != owner:
                raise RuntimeError("only the process that began these submissions can continue them")
            _send_unblocked(window, pool, sender)
            first = window[0].result if window else None
            if first is not None and first.done():
                window.popleft()
                yield from first.result()
            elif parts is not None and len(window) < 2 * concurrency:
                try:
                    part = next(parts, None)
                except Exception as error:  # noqa: BLE001  # raised below, after the commands that were read before
                    part, failure = None, error
                if part is None:
                    parts = None
                else:
                    items = _find_items(part.commands, find_key_field)
                    window.append(_WindowEntry(part, f"{key}-{number}", items))
                    number += 1
            elif window:
                results = [each.result for each in window if each.result is not None]
                wait([each for each in results if not each.done()], return_when=FIRST_COMPLETED)
            elif failure is not None:
                raise failure
            else:
                return
    finally:
        if os.getpid() == owner:  # a forked child has no threads, and the pool's locks may be held forever
            stopped.set()
            pool.shutdown(cancel_futures=True)


def submit_sequentially(
    transport: Transport,
    commands: Iterable[Json],
    *,
    key: str,
    stopped: threading.Event,
    name: str | None = None,
) -> list[Submission]:
    """Return the submissions of `submit_many` with the same key, but send one request at a time on this thread.

    Once `stopped` is set, nothing is sent again. `name` is the name of the batches, if the service supports names.
    Raise ProblemError if the service cannot accept the commands.
    """
    sender = _Sender(transport, stopped, name)
    parts = enumerate(_split(commands, MAX_COMMANDS))
    return [submission for number, part in parts for submission in sender.send(part, f"{key}-{number}")]


def _send_unblocked(window: Iterable[_WindowEntry], pool: ThreadPoolExecutor, sender: _Sender) -> None:
    """Send the batches that share no item with an earlier batch that is not accepted yet."""
    blocked = _Items()
    for each in window:
        if each.result is None and not each.items.may_overlap(blocked):
            each.result = pool.submit(sender.send, each.part, each.key)
        if not each.accepted:
            blocked.add(each.items)


def _split(commands: Iterable[Json], batch_size: int) -> Iterator[_Part]:
    """Yield the batches. They depend only on the commands and the size, so a repetition sends the same batches."""
    part, size = _Part(0, [], []), _EMPTY_BODY
    for command in commands:
        text = calls.encode(command)
        if part.commands and size + len(text) > MAX_BODY:
            yield part
            part, size = part.next(), _EMPTY_BODY
        part.commands.append(command)
        part.encoded.append(text)
        size += len(text) + 1  # with a comma
        if len(part.commands) == batch_size:
            yield part
            part, size = part.next(), _EMPTY_BODY
    if part.commands:
        yield part


def _find_items(commands: Iterable[Json], find_key_field: FindKeyField) -> _Items:
    found = _Items()
    for command in commands:
        collection = command.get("collection", calls.ITEMS) if isinstance(command, Mapping) else None
        if not isinstance(collection, str):
            continue  # the service refuses it
        item_id, document = command.get("item_id"), command.get("item")
        if isinstance(item_id, str):
            found.by_id.add((collection, item_id))
        elif isinstance(document, Mapping) and collection != calls.ITEMS:
            key = find_key_field(collection)
            if key is None and command.get("operation") == "create":
                continue  # the service assigns a new id
            found.by_key.add((collection, None if key is None else _normalize_key(document.get(key))))
    return found


def _normalize_key(value: object) -> object:
    """Return equal objects for values that the service considers equal; None if that is unknown."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    return value if isinstance(value, int | float | Decimal) else None  # 7, 7.0 and Decimal(7) are equal


def _collection_names(pairs: Iterable[tuple[str, object]]) -> set[str]:
    return {collection for collection, _ in pairs}


@dataclass(frozen=True, slots=True)
class _Sender:
    """Sends a batch until each of its commands is accepted or refused."""

    transport: Transport
    stopped: threading.Event
    name: str | None = None  # of the batches

    def send(self, part: _Part, key: str) -> list[Submission]:
        """Return the submissions of a batch. Raise Unavailable if some could not be queued after all retries."""
        try:
            batch = self._send_until_queued(part, key)
        except (InvalidRequest, TooLarge) as refusal:
            if isinstance(refusal, InvalidRequest) and refusal.problem.slug is None:
                raise  # a proxy or gateway refused it, without looking at the commands
            if self.name is not None and _refuses_the_name(refusal.problem):
                return replace(self, name=None).send(part, key)
            return self._refused_submissions(part, key, refusal.problem)
        if len(batch.entries) != len(part.commands):
            raise InvalidResponse(f"the batch {batch.id} has {len(batch.entries)} entries")
        return [
            Submission(
                place=place,
                command=command,
                job_id=entry.job_id,
                item_id=entry.item_id,
                problem=entry.problem if entry.job_id is None else None,
                batch_id=batch.id,
                retry_after=batch.retry_after,
            )
            for place, (command, entry) in enumerate(zip(part.commands, batch.entries, strict=True), part.first)
        ]

    def _send_until_queued(self, part: _Part, key: str) -> Batch:
        """Send the batch until all of its valid commands are queued. The service queues no command twice."""
        call = calls.submit_encoded(part.encoded, key, self.name)
        retrying = Retrying(
            retry=retry_if_result(lambda batch: bool(batch.unsent)),
            stop=stop_any(stop_after_attempt(self.transport.attempts), stop_when_event_set(self.stopped)),
            sleep=sleep_using_event(self.stopped),
            wait=lambda state: (_result(state).retry_after or 0.0) + _BACKOFF(state),
            retry_error_callback=_result,
        )
        batch = retrying(lambda: parse_batch(self.transport.send(call, stopped=self.stopped)))
        for place in batch.unsent:
            problem = batch.entries[place].problem
            if problem is not None and problem.status == _UNAVAILABLE:
                raise Unavailable(problem)
        return batch  # the service failed on the other unsent commands, perhaps because of the commands themselves

    def _refused_submissions(self, part: _Part, key: str, problem: Problem) -> list[Submission]:
        """Return the submissions of a batch that was refused as a whole, each with its own problem if it has one.

        One number that is too long makes the whole body unreadable, so the batch is halved to find the command.
        """
        problems = [problem] if len(part.commands) == 1 else problem.of_commands(len(part.commands))
        if problems is None:
            first, second = part.halves()
            return [*self.send(first, f"{key}a"), *self.send(second, f"{key}b")]
        return [
            Submission(place, command, None, None, why, None)
            for place, (command, why) in enumerate(zip(part.commands, problems, strict=True), part.first)
        ]


def _refuses_the_name(problem: Problem) -> bool:
    """Return whether the name is why the body was refused: by an older service, or because it became too long."""
    return problem.status == _TOO_LARGE or any(
        str(each.get("detail")).endswith("member 'name'.") for each in problem.errors
    )


def _result(state: RetryCallState) -> Batch:
    batch: Batch = state.outcome.result()  # type: ignore[union-attr]
    return batch
