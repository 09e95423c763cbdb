"""The synchronous interface: each call sends a command and waits for the end of its job (`Prefer: wait`)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from jobpipe_client import calls
from jobpipe_client.exceptions import error_for
from jobpipe_client.http.responses import parse_item, parse_job, parse_json
from jobpipe_client.models import Item, JobFailed
from jobpipe_client.waiting import wait

if TYPE_CHECKING:
    from jobpipe_client.calls import Call, Json
    from jobpipe_client.http.transport import Transport

ACCEPTED = 202
PREFERRED_HOLD = 5  # seconds: enough for a worker to start; after that, polling is cheaper
DEFAULT_TIMEOUT = 30.0


class SyncClient:
    """The write methods of `Client`. Each waits for its job and returns the item that the job ended with.

    If the command fails, its problem is raised (NotFound, NameTaken, VersionMismatch, …). If the job has not ended
    within `timeout` seconds, WaitTimeout is raised; its `job` continues and can be waited for.

    >>> client.sync.create({"name": item["name"], "description": "The name is taken"})
    Traceback (most recent call last):
    jobpipe_client.exceptions.NameTaken: 409 name-taken: ...
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, item: Json, *, idempotency_key: str | None = None, timeout: float = DEFAULT_TIMEOUT) -> Item:
        """Create an item from its fields. `name` and `description` are required.

        >>> client.sync.create({"name": "Tent", "description": "For two"})["description"]
        'For two'
        """
        return self._item(calls.create(item, idempotency_key), timeout)

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

        >>> client.sync.update(item.id, {"price": 11}, if_match=item.etag)["price"]
        11
        >>> client.sync.update(item.id, {"price": 12}, if_match=item.etag)  # no longer the current version
        Traceback (most recent call last):
        jobpipe_client.exceptions.VersionMismatch: 412 version-mismatch: ...
        """
        return self._item(calls.update(item_id, fields, idempotency_key, if_match), timeout)

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

        >>> client.sync.merge(item.id, {"stock": {"Lyon": 3}})["stock"]
        {'Lyon': 3}
        """
        return self._item(calls.merge(item_id, patch, idempotency_key, if_match), timeout)

    def delete(
        self,
        item_id: str,
        *,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        """Delete an item and free its name.

        >>> client.sync.delete(item.id)
        """
        send_and_wait(self._transport, calls.delete(item_id, idempotency_key, if_match), timeout)

    def read(self, item_id: str, *, idempotency_key: str | None = None, timeout: float = DEFAULT_TIMEOUT) -> Item:
        """Queue a read, which sees every command accepted before it for this item, and return the item.

        `Client.get_item` is cheaper, because it queues nothing.

        >>> client.sync.read(item.id)["name"]
        'Stove'
        """
        return self._item(calls.read(item_id, idempotency_key), timeout)

    def _item(self, call: Call, timeout: float) -> Item:
        return parse_item(*send_and_wait(self._transport, call, timeout))


def send_and_wait(transport: Transport, call: Call, timeout: float) -> tuple[Any, str | None]:
    """Return the final body and ETag, from the response to the call or from the ended job."""
    deadline = time.monotonic() + timeout
    hold = min(PREFERRED_HOLD, int(timeout))
    prefer = {"Prefer": f"wait={hold}"} if hold > 0 else {}
    response = transport.send(call, prefer, hold=hold, deadline=deadline)
    if response.status_code != ACCEPTED:
        return parse_json(response), response.headers.get("ETag")
    job = wait(transport, parse_job(response), max(0.0, deadline - time.monotonic()), long_poll=1)
    try:
        job.raise_for_failure()
    except JobFailed as failure:
        raise error_for(failure.problem, ended=True) from failure
    return job.result, job.etag
