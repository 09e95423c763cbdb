"""The synchronous interface of a collection, which waits for each job as `SyncClient` does.

The methods repeat those of `SyncClient` and `Collection`, so that each class has its own signatures and examples;
tests/client/test_signatures.py compares them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobpipe_client import calls
from jobpipe_client.http.responses import parse_item
from jobpipe_client.models import Item
from jobpipe_client.sync import DEFAULT_TIMEOUT, send_and_wait

if TYPE_CHECKING:
    from jobpipe_client.calls import Call, Json
    from jobpipe_client.http.transport import Transport


class SyncCollection:
    """The write methods of `Collection`. Each waits for its job and returns the document that the job ended with.

    If the command fails, its problem is raised (NotFound, NotUnique, OperationRefused, …). WaitTimeout is raised as
    by `SyncClient`.

    >>> orders.sync.create({"number": order["number"]})
    Traceback (most recent call last):
    jobpipe_client.exceptions.NotUnique: 409 not-unique: ...
    """

    def __init__(self, transport: Transport, name: str) -> None:
        self._transport = transport
        self._name = name

    def create(self, item: Json, *, idempotency_key: str | None = None, timeout: float = DEFAULT_TIMEOUT) -> Item:
        """Create a document.

        >>> orders.sync.create({"number": "7", "customer": "alice"})["customer"]
        'alice'
        """
        return self._item(calls.create(item, idempotency_key, self._name), timeout)

    def upsert(self, item: Json, *, idempotency_key: str | None = None, timeout: float = DEFAULT_TIMEOUT) -> Item:
        """Create the document, or set its fields if a document with its key exists. The collection needs a `key`.

        >>> orders.sync.upsert({"number": order["number"], "customer": "bob"})["customer"]
        'bob'
        """
        return self._item(calls.upsert(item, idempotency_key, self._name), timeout)

    def update(
        self,
        item_id: str,
        fields: Json,
        *,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Item:
        """Set the given fields; other fields are unchanged.

        >>> orders.sync.update(order.id, {"customer": "bob"}, if_match=order.etag)["customer"]
        'bob'
        """
        return self._item(calls.update(item_id, fields, idempotency_key, if_match, self._name), timeout)

    def merge(
        self,
        item_id: str,
        patch: Json,
        *,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Item:
        """Apply an RFC 7396 merge patch: null removes a field, objects are merged, other values are replaced.

        >>> "customer" in orders.sync.merge(order.id, {"customer": None})
        False
        """
        return self._item(calls.merge(item_id, patch, idempotency_key, if_match, self._name), timeout)

    def delete(
        self,
        item_id: str,
        *,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        """Delete a document and free its key and its unique values.

        >>> orders.sync.delete(order.id)
        """
        send_and_wait(self._transport, calls.delete(item_id, idempotency_key, if_match, self._name), timeout)

    def read(self, item_id: str, *, idempotency_key: str | None = None, timeout: float = DEFAULT_TIMEOUT) -> Item:
        """Queue a read, which sees every command accepted before it for this document, and return the document.

        `Collection.get_item` is cheaper, because it queues nothing.

        >>> orders.sync.read(order.id)["number"]
        '1001'
        """
        return self._item(calls.read(item_id, idempotency_key, self._name), timeout)

    def run(
        self,
        operation: str,
        item_id: str,
        members: Json | None = None,
        /,
        *,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        **more: Any,
    ) -> Item:
        """Run an operation of the collection on a document, and return the document after it.

        >>> orders.sync.run("ship", order.id, carrier="dhl")["status"]
        'shipped'
        """
        members = {**(members or {}), **more}
        call = calls.run(self._name, item_id, operation, members, key=idempotency_key, if_match=if_match)
        return self._item(call, timeout)

    def _item(self, call: Call, timeout: float) -> Item:
        return parse_item(*send_and_wait(self._transport, call, timeout))
