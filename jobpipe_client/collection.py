"""The client of one collection: the methods that `Client` has for items, and look-ups, upserts and operations."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from jobpipe_client import calls, pages
from jobpipe_client.batch_models import Batch, Submission
from jobpipe_client.http.responses import parse_batch, parse_item, parse_job, parse_json
from jobpipe_client.many import MAX_COMMANDS, FindKeyField, submit_many
from jobpipe_client.models import Item, Job
from jobpipe_client.sync_collection import SyncCollection

if TYPE_CHECKING:
    from jobpipe_client.calls import At, Before, Call, Json
    from jobpipe_client.http.transport import Transport


class Collection:
    """The client of one collection, as returned by `Client.collection`.

    Besides the methods that `Client` has for items, it has look-ups, upserts and operations. All of them return the
    same `Job` and `Item`. To wait for, cancel or retry a job, use `Client`.

    >>> orders = client.collection("orders")
    >>> job = client.wait(orders.create({"number": "7", "customer": "alice", "status": "paid"}))
    >>> client.wait(orders.run("ship", job.item_id, carrier="dhl")).item["status"]
    'shipped'
    """

    def __init__(self, transport: Transport, name: str, find_key_field: FindKeyField) -> None:
        calls.collection_path(name)  # raises ValueError if the name cannot be part of a path
        self.name = name
        self._transport = transport
        self._find_key_field = find_key_field

    @cached_property
    def sync(self) -> SyncCollection:
        """Blocking versions of the write methods. They return the document or raise ProblemError."""
        return SyncCollection(self._transport, self.name)

    def create(self, item: Json, *, idempotency_key: str | None = None) -> Job:
        """Create a document.

        >>> client.wait(orders.create({"number": "7", "customer": "alice"})).collection
        'orders'
        """
        return self._job(calls.create(item, idempotency_key, self.name))

    def upsert(self, item: Json, *, idempotency_key: str | None = None) -> Job:
        """Create the document, or set its fields if a document with its key exists. The collection needs a `key`.

        >>> first = client.wait(orders.upsert({"number": "7", "status": "open"}))
        >>> again = client.wait(orders.upsert({"number": "7", "status": "paid"}))
        >>> again.item_id == first.item_id, again.item["status"]
        (True, 'paid')
        """
        return self._job(calls.upsert(item, idempotency_key, self.name))

    def update(
        self, item_id: str, fields: Json, *, idempotency_key: str | None = None, if_match: str | None = None
    ) -> Job:
        """Set the given fields; other fields are unchanged.

        >>> client.wait(orders.update(order.id, {"customer": "bob"}, if_match=order.etag)).item["customer"]
        'bob'
        """
        return self._job(calls.update(item_id, fields, idempotency_key, if_match, self.name))

    def merge(
        self, item_id: str, patch: Json, *, idempotency_key: str | None = None, if_match: str | None = None
    ) -> Job:
        """Apply an RFC 7396 merge patch: null removes a field, objects are merged, other values are replaced.

        >>> "customer" in client.wait(orders.merge(order.id, {"customer": None})).item
        False
        """
        return self._job(calls.merge(item_id, patch, idempotency_key, if_match, self.name))

    def delete(self, item_id: str, *, idempotency_key: str | None = None, if_match: str | None = None) -> Job:
        """Delete a document and free its key and its unique values.

        >>> client.wait(orders.delete(order.id)).status
        'succeeded'
        """
        return self._job(calls.delete(item_id, idempotency_key, if_match, self.name))

    def read(self, item_id: str, *, idempotency_key: str | None = None) -> Job:
        """Queue a read, which sees every command accepted before it for this document.

        >>> client.wait(orders.read(order.id)).item["number"]
        '1001'
        """
        return self._job(calls.read(item_id, idempotency_key, self.name))

    def run(
        self,
        operation: str,
        item_id: str,
        members: Json | None = None,
        /,
        *,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        **more: Any,
    ) -> Job:
        """Run an operation of the collection on a document. The operation's members are arguments or an object.

        >>> client.wait(orders.run("ship", order.id, carrier="dhl", if_match=order.etag)).item["carrier"]
        'dhl'
        >>> client.wait(orders.run("ship", order.id, {"carrier": "dhl"})).error.slug
        'orders:not-paid'
        """
        members = {**(members or {}), **more}
        call = calls.run(self.name, item_id, operation, members, key=idempotency_key, if_match=if_match)
        return self._job(call)

    def submit(
        self,
        command: Json,
        *,
        idempotency_key: str | None = None,
        at: At | None = None,
        before: Before | None = None,
        task_token: str | None = None,
    ) -> Job:
        """Queue a command in its raw form, for this collection unless the command names another.

        `at`, `before` and `task_token` are as for `Client.submit`.

        >>> client.wait(orders.submit({"operation": "ship", "item_id": order.id, "carrier": "dhl"})).status
        'succeeded'
        """
        command = calls.add_times(calls.add_collection(command, self.name), at, before)
        return self._job(calls.submit(calls.add_task_token(command, task_token), idempotency_key))

    def submit_batch(
        self,
        commands: Sequence[Json],
        *,
        idempotency_key: str | None = None,
        at: At | None = None,
        before: Before | None = None,
        name: str | None = None,
    ) -> Batch:
        """Queue up to 100 commands as `Client.submit_batch` does, for this collection unless they name another.

        `at`, `before` and `name` are as for `Client.submit_batch`.

        >>> batch = orders.submit_batch([{"operation": "upsert", "item": {"number": "7"}}, {"operation": "fly"}])
        >>> [entry.problem and entry.problem.slug for entry in batch.entries]
        [None, 'invalid-request']
        """
        commands = [calls.add_times(calls.add_collection(command, self.name), at, before) for command in commands]
        return parse_batch(self._transport.send(calls.submit_batch(commands, idempotency_key, name)))

    def submit_many(
        self,
        commands: Iterable[Json],
        *,
        concurrency: int = 4,
        batch_size: int = MAX_COMMANDS,
        key: str | None = None,
    ) -> Generator[Submission, None, None]:
        """Queue any number of commands as `Client.submit_many` does, for this collection unless they name another.

        >>> rows = [{"number": str(n), "customer": "alice"} for n in range(250)]
        >>> commands = ({"operation": "upsert", "item": row} for row in rows)
        >>> sum(submission.accepted for submission in orders.submit_many(commands, key="orders-2026-11"))
        250
        """
        return submit_many(
            self._transport,
            (calls.add_collection(command, self.name) for command in commands),
            concurrency=concurrency,
            batch_size=batch_size,
            key=key,
            find_key_field=self._find_key_field,
        )

    def get_item(self, item_id: str) -> Item:
        """Return the latest committed version of the document, with its ETag. Raise NotFound if it does not exist.

        >>> orders.get_item(order.id)["number"]
        '1001'
        """
        response = self._transport.get(calls.item_path(item_id, self.name))
        return parse_item(parse_json(response), response.headers.get("ETag"))

    def iter_items(
        self, page_size: int | None = None, *, on_unreadable: Callable[[str], object] | None = None
    ) -> Iterator[Item]:
        """Yield all documents, page by page, as `Client.iter_items` does.

        >>> [order["number"] for order in orders.iter_items()]
        ['1001']
        """
        return pages.fetch_items(self._transport, page_size, on_unreadable, path=calls.collection_path(self.name))

    def find(self, field: Mapping[str, str | int] | None = None, /, **named: str | int) -> Item | None:
        """Return the document with this value of the key or of a unique field, or None. The read is consistent.

        >>> orders.find(number="1001")["customer"]
        'alice'
        >>> orders.find(invoice=1) is None
        True
        """
        query = _look_up_query(field, named)
        path = calls.collection_path(self.name)
        found = list(islice(pages.fetch_items(self._transport, None, None, path=path, query=query), 2))
        if len(found) > 1:
            raise ValueError(f"several documents have {_format_query(query)}: use where()")
        return found[0] if found else None

    def where(
        self,
        field: Mapping[str, str | int] | None = None,
        /,
        *,
        page_size: int | None = None,
        on_unreadable: Callable[[str], object] | None = None,
        **named: str | int,
    ) -> Iterator[Item]:
        """Yield the documents with this value of an indexed field, latest change first (eventually consistent).

        >>> [order["number"] for order in orders.where(customer="alice")]
        ['1001']
        """
        query = _look_up_query(field, named)
        path = calls.collection_path(self.name)
        return pages.fetch_items(self._transport, page_size, on_unreadable, path=path, query=query)

    def __repr__(self) -> str:
        return f"Collection({self.name!r})"

    def _job(self, call: Call) -> Job:
        return parse_job(self._transport.send(call))


def _look_up_query(field: Mapping[str, str | int] | None, named: Mapping[str, str | int]) -> dict[str, str]:
    """Return the query of a look-up. Raise ValueError unless it has one field, with a string or an integer."""
    fields = {**(field or {}), **named}
    if len(fields) != 1:
        raise ValueError("a look-up takes exactly one field")
    ((name, value),) = fields.items()
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{name} must be a string or an integer")  # noqa: TRY004
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} cannot have a lone surrogate") from None
    return {name: text}


def _format_query(query: Mapping[str, str]) -> str:
    ((name, value),) = query.items()
    return f"{name}={value[:50]!r}"
