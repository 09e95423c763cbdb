"""The synchronous face of the API: each command sent and seen to its end in one call (`Prefer: wait`)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from jobpipe_client import calls
from jobpipe_client.answers import item_of, job_of
from jobpipe_client.exceptions import JobFailed, error_for
from jobpipe_client.models import Item
from jobpipe_client.transport import document

if TYPE_CHECKING:
    from jobpipe_client.calls import Call, Json
    from jobpipe_client.client import Client

ACCEPTED = 202
LONGEST_PREFERENCE = 5  # seconds: enough for a worker that has to start; for what takes longer polling is cheaper
DEFAULT_TIMEOUT = 30.0


class SyncClient:
    """The writes of `Client`, each returning the item that it ended with.

    A command that fails raises the problem itself (NotFound, NameTaken, VersionMismatch, …); one that has not
    ended within `timeout` seconds raises WaitTimeout, whose `job` goes on and can be waited for.

    >>> client.sync.create({"name": item["name"], "description": "The name is taken"})
    Traceback (most recent call last):
    jobpipe_client.exceptions.NameTaken: 409 name-taken: ...
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def create(self, item: Json, *, idempotency_key: str | None = None, timeout: float = DEFAULT_TIMEOUT) -> Item:
        """Creates an item from its fields, `name` and `description` among them.

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
        """Sets the given fields, the others stay.

        >>> client.sync.update(item.id, {"price": 11}, if_match=item.etag)["price"]
        11
        >>> client.sync.update(item.id, {"price": 12}, if_match=item.etag)  # somebody was faster
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
        """Applies an RFC 7396 merge patch: null removes a field, objects merge, all else replaces.

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
        """Deletes an item and frees its name.

        >>> client.sync.delete(item.id)
        """
        self._final(calls.delete(item_id, idempotency_key, if_match), timeout)

    def read(self, item_id: str, *, idempotency_key: str | None = None, timeout: float = DEFAULT_TIMEOUT) -> Item:
        """The item after every command accepted before this one; `get_item` is cheaper and does not queue.

        >>> client.sync.read(item.id)["name"]
        'Stove'
        """
        return self._item(calls.read(item_id, idempotency_key), timeout)

    def _item(self, call: Call, timeout: float) -> Item:
        return item_of(*self._final(call, timeout))

    def _final(self, call: Call, timeout: float) -> tuple[Any, str | None]:
        """The body and the ETag of the synchronous answer, whether it came at once or through the job."""
        deadline = time.monotonic() + timeout
        wait = min(LONGEST_PREFERENCE, int(timeout))
        prefer = {"Prefer": f"wait={wait}"} if wait > 0 else {}
        response = self._client.transport.send(call, prefer, wait=wait, deadline=deadline)
        if response.status_code != ACCEPTED:
            return document(response), response.headers.get("ETag")
        job = self._client.wait(job_of(response), timeout=max(0.0, deadline - time.monotonic()))
        try:
            job.raise_for_failure()
        except JobFailed as failure:
            raise error_for(failure.problem, ended=True) from failure
        return job.result, job.etag
