"""The client of a deployment. Every write returns a job, which the caller can wait for."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from jobpipe_client import calls, pages, waiting
from jobpipe_client.batch_models import Batch, BatchEntry, Submission
from jobpipe_client.calls import At, Before
from jobpipe_client.catalogue import CollectionInfo, read_catalogue
from jobpipe_client.collection import Collection
from jobpipe_client.exceptions import InvalidResponse
from jobpipe_client.http.responses import parse_batch, parse_item, parse_job, parse_json
from jobpipe_client.http.transport import Transport
from jobpipe_client.many import MAX_COMMANDS, submit_many
from jobpipe_client.models import Item, Job, Stats, Status
from jobpipe_client.settings import Connection, find_connection
from jobpipe_client.sync import SyncClient
from jobpipe_client.webhooks import Webhooks

if TYPE_CHECKING:
    from jobpipe_client.calls import Call, Json


class Client:
    """A client of one deployment. It is safe to share between threads; each thread has its own connections.

    Every write has an idempotency key, either the caller's or a random one. The client retries a write with the
    same key, up to `retries` times: after a broken connection, after a status of 429, 502, 503 or 504, and after
    a 500 that has a Retry-After header. `request_timeout` limits each request, in seconds. The methods that wait
    for a job have a `timeout` of their own.

    >>> with Client(url, key, request_timeout=5, retries=2) as client:
    ...     client.health()["status"]
    'ok'
    """

    def __init__(
        self, base_url: str, api_key: str, request_timeout: float = 10.0, *, retries: int = 4, pool_size: int = 2
    ) -> None:
        self.transport = Transport(
            Connection(base_url, api_key), request_timeout=request_timeout, retries=retries, pool_size=pool_size
        )

    @classmethod
    def from_stage(
        cls, stage: str | None = None, request_timeout: float = 10.0, *, retries: int = 4, pool_size: int = 2
    ) -> Self:
        """Return a client for a deployed stage, or for the URL in JOBPIPE_URL.

        Raise ConfigurationError if there is neither.

        >>> Client.from_stage("local").health()["status"]
        'ok'
        """
        found = find_connection(stage)
        return cls(found.base_url, found.api_key, request_timeout, retries=retries, pool_size=pool_size)

    @property
    def base_url(self) -> str:
        return self.transport.base_url

    @cached_property
    def sync(self) -> SyncClient:
        """Blocking versions of the write methods. They return the item or raise ProblemError."""
        return SyncClient(self.transport)

    @cached_property
    def webhooks(self) -> Webhooks:
        """Your webhooks, which notify receivers when jobs end and documents change."""
        return Webhooks(self.transport)

    def create(self, item: Json, *, idempotency_key: str | None = None) -> Job:
        """Create an item from its fields. `name` and `description` are required.

        >>> job = client.create({"name": "Tent", "description": "For two", "price": 12.95})
        >>> client.wait(job).result["price"]
        12.95
        """
        return self._job(calls.create(item, idempotency_key))

    def update(
        self, item_id: str, fields: Json, *, idempotency_key: str | None = None, if_match: str | None = None
    ) -> Job:
        """Set the given fields; other fields are unchanged.

        >>> job = client.wait(client.update(item.id, {"price": 11}, if_match=item.etag))
        >>> job.item["name"], job.item["price"]
        ('Stove', 11)
        """
        return self._job(calls.update(item_id, fields, idempotency_key, if_match))

    def merge(
        self, item_id: str, patch: Json, *, idempotency_key: str | None = None, if_match: str | None = None
    ) -> Job:
        """Apply an RFC 7396 merge patch: null removes a field, objects are merged, other values are replaced.

        >>> job = client.wait(client.merge(item.id, {"price": None, "stock": {"Lyon": 3}}))
        >>> "price" in job.item, job.item["stock"]
        (False, {'Lyon': 3})
        """
        return self._job(calls.merge(item_id, patch, idempotency_key, if_match))

    def delete(self, item_id: str, *, idempotency_key: str | None = None, if_match: str | None = None) -> Job:
        """Delete an item and free its name.

        >>> client.wait(client.delete(item.id)).status
        'succeeded'
        """
        return self._job(calls.delete(item_id, idempotency_key, if_match))

    def read(self, item_id: str, *, idempotency_key: str | None = None) -> Job:
        """Queue a read. Its result includes the effects of all commands for this item that were accepted before it.

        >>> _ = client.update(item.id, {"price": 11})
        >>> client.wait(client.read(item.id)).item["price"]
        11
        """
        return self._job(calls.read(item_id, idempotency_key))

    def submit(
        self,
        command: Json,
        *,
        idempotency_key: str | None = None,
        at: At | None = None,
        before: Before | None = None,
        task_token: str | None = None,
    ) -> Job:
        """Queue a command in its raw form, such as {"operation": "delete", "item_id": ...}.

        With `at`, the job stays scheduled until that time. With `before`, the command takes effect by that time or
        never. Each is an aware datetime, a duration from now or an RFC 3339 string. The times are part of the
        command: to repeat a request with the same idempotency key, pass the same times, not durations.

        `task_token` is the token of a Step Functions task, which the service completes when the job has ended. The
        token is not part of the command: a repeated request may have another token, and the latest one is used.
        Raise TaskTokensDisabled if the stage was deployed without TaskTokens.

        >>> client.wait(client.submit({"operation": "delete", "item_id": item.id})).operation
        'delete'
        >>> job = client.submit({"operation": "read", "item_id": item.id}, before=timedelta(hours=2))
        >>> job.not_after > job.created_at
        True
        >>> later = client.submit({"operation": "read", "item_id": item.id}, at=timedelta(days=7))
        >>> later.status, client.cancel(later.id).status
        ('scheduled', 'cancelled')
        """
        command = calls.add_task_token(calls.add_times(command, at, before), task_token)
        return self._job(calls.submit(command, idempotency_key))

    def submit_batch(
        self,
        commands: Sequence[Json],
        *,
        idempotency_key: str | None = None,
        at: At | None = None,
        before: Before | None = None,
        name: str | None = None,
    ) -> Batch:
        """Queue up to 100 commands in their raw form. The commands for one item take effect in the given order.

        An entry has a `problem` if its command is invalid or could not be queued; `Batch.unsent` lists the latter.
        `at` and `before` are as for `submit`, and apply to every command without its own `not_before` or
        `not_after`. `name` is a display name of at most 100 characters.

        >>> batch = client.submit_batch([{"operation": "read", "item_id": item.id}, {"operation": "fly"}])
        >>> [entry.problem and entry.problem.slug for entry in batch.entries]
        [None, 'invalid-request']
        """
        commands = [calls.add_times(command, at, before) for command in commands]
        return parse_batch(self.transport.send(calls.submit_batch(commands, idempotency_key, name)))

    def submit_many(
        self,
        commands: Iterable[Json],
        *,
        concurrency: int = 4,
        batch_size: int = MAX_COMMANDS,
        key: str | None = None,
    ) -> Generator[Submission, None, None]:
        """Queue any number of commands in their raw form, and yield a submission for each, in the given order.

        Commands are read lazily and sent in batches, with up to `concurrency` requests at a time. The commands for
        one item take effect in the given order. After any interruption, repeat the iteration with the same `key`,
        `batch_size` and commands: no command takes effect twice. Raise Unavailable if some could not be queued
        after `retries` retries. Closing the iterator stops sending; requests in flight may still be accepted.

        >>> poles = [{"name": f"Pole {n}", "description": "Steel"} for n in range(250)]
        >>> commands = [{"operation": "create", "item": pole} for pole in poles]
        >>> submissions = list(client.submit_many(commands, key="poles-1"))
        >>> len(submissions), all(submission.accepted for submission in submissions)
        (250, True)
        >>> list(client.submit_many(commands, key="poles-1")) == submissions
        True
        """
        return submit_many(
            self.transport,
            commands,
            concurrency=concurrency,
            batch_size=batch_size,
            key=key,
            find_key_field=self._find_key_field,
        )

    def batch(self, batch_id: str) -> Batch:
        """Return the batch with the current status of its jobs, without their results.

        >>> batch = client.submit_batch([{"operation": "read", "item_id": item.id}])
        >>> client.batch(batch.id).size
        1
        """
        return parse_batch(self.transport.get(calls.batch_path(batch_id)))

    def job(self, job_id: str, wait: int = 0) -> Job:
        """Return the job. With `wait`, return it when it has ended, or after that many seconds (at most 20).

        >>> client.job(client.read(item.id).id, wait=20).status
        'succeeded'
        """
        return waiting.poll(self.transport, job_id, hold=wait)

    def jobs(
        self,
        status: Status | None = None,
        page_size: int | None = None,
        *,
        collection: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        owner: str | None = None,
    ) -> Iterator[Job]:
        """Yield your jobs without their results, latest first, page by page. The list is eventually consistent.

        Every stage lists scheduled, failed and retrying jobs. Other jobs are listed only if the stage has
        JobLists=on. `since` and `until` (exclusive) limit the time of acceptance; each is an aware datetime or an
        RFC 3339 string. With an operator's key, `owner` names another caller, whose failed or retrying jobs are
        listed; "*" lists the jobs of all callers, in no particular order.

        >>> _ = client.wait(client.read("no-such-item"))
        >>> [job.error.slug for job in client.jobs("failed")]
        ['not-found']
        """
        query = calls.format_members(
            status=status,
            collection=collection,
            since=since,
            until=until,
            owner=owner,
            limit=page_size or None,
        )
        return (Job.of(entry) for entry in pages.fetch_entries(self.transport, "/jobs", query))

    def cancel(self, job_id: str) -> Job:
        """Cancel a job before it takes effect. Raise JobAlreadyEnded if it has succeeded or failed.

        >>> client.cancel(client.delete(item.id).id).status
        'cancelled'
        """
        return self._job(calls.cancel(job_id))

    def retry(self, job_id: str, *, before: Before | None = None) -> Job:
        """Queue a failed job again; a job that is queued or retrying is left unchanged.

        `before` is a new time limit, as for `submit`. Without it, raise CommandTooLate if the old limit has passed.

        >>> failed = client.wait(client.create({"name": item["name"], "description": "Another stove"}))
        >>> _ = client.wait(client.delete(item.id))
        >>> client.wait(client.retry(failed.id)).status
        'succeeded'
        """
        return self._job(calls.retry(job_id, before))

    def dismiss(self, job_id: str) -> Job:
        """Remove a failed job from the list of failed jobs. Raise JobNotFailed if the job has not failed.

        The job itself is kept until it expires, and can still be retried.

        >>> failed = client.wait(client.read("no-such-item"))
        >>> client.dismiss(failed.id).dismissed_at is None
        False
        >>> failed.id in [job.id for job in client.jobs("failed")]
        False
        """
        return self._job(calls.dismiss(job_id))

    def cancel_batch(self, batch_id: str) -> Batch:
        """Cancel the jobs of a batch that have not taken effect, starting with the last one.

        If a job was not cancelled, the `unchanged` of its entry says why: the job had already succeeded or failed,
        or the request did not reach it. Raise Unavailable if the request reached no job.

        >>> batch = client.submit_batch([{"operation": "delete", "item_id": item.id}])
        >>> client.cancel_batch(batch.id).counts["cancelled"]
        1
        """
        return parse_batch(self.transport.send(calls.cancel_batch(batch_id)))

    def retry_batch(self, batch_id: str) -> Batch:
        """Queue the failed jobs of a batch again, in the order of the batch; other jobs are left unchanged.

        If a failed job was not queued, the `unchanged` of its entry says why: the job cannot be retried, or the
        request did not reach it. Raise Unavailable if the request reached no job.

        >>> batch = client.submit_batch([{"operation": "read", "item_id": "no-such-item"}])
        >>> _ = list(client.as_completed([batch.entries[0].job_id]))
        >>> client.retry_batch(batch.id).counts["failed"]
        0
        """
        return parse_batch(self.transport.send(calls.retry_batch(batch_id)))

    def wait(self, job: Job, timeout: float = 60.0, *, long_poll: int = 1) -> Job:
        """Return the job once it has ended, successfully or not. Raise WaitTimeout after `timeout` seconds.

        The service may delay its first response by `long_poll` seconds, because most jobs end within one second.
        Later polls follow the service's Retry-After, which grows with the age of the job.

        >>> job = client.wait(client.create({"name": "Tent", "description": "For two"}), timeout=30)
        >>> job.succeeded, job.item["name"]
        (True, 'Tent')
        """
        return waiting.wait(self.transport, job, timeout, long_poll=long_poll)

    def as_completed(
        self, jobs: Iterable[Job | Submission | str], *, timeout: float | None = None
    ) -> Iterator[Job]:
        """Yield each job once it has ended, successfully or not. Raise WaitTimeout after `timeout` seconds.

        `jobs` may contain jobs, job ids and submissions. Submissions need the fewest requests: one for each batch,
        and one for each job that has ended. Refused submissions, which have no job, are skipped.

        >>> jobs = [client.create({"name": f"Tent {n}", "description": "For two"}) for n in range(3)]
        >>> sorted(job.item["name"] for job in client.as_completed(jobs, timeout=30))
        ['Tent 0', 'Tent 1', 'Tent 2']
        """
        return waiting.as_completed(self.transport, jobs, timeout)

    def outcomes(
        self, submissions: Iterable[Submission], *, timeout: float | None = None
    ) -> Iterator[tuple[Submission, BatchEntry]]:
        """Yield each submission with its final batch entry. Raise WaitTimeout after `timeout` seconds.

        An entry has the status and the problem of its job, but no result; entries are fetched batch by batch. The
        problem of an expired job is a 404. `submissions` is read lazily.

        >>> commands = [{"operation": "read", "item_id": item.id}, {"operation": "read", "item_id": "no-such-item"}]
        >>> ended = {submission.place: entry for submission, entry in client.outcomes(client.submit_many(commands))}
        >>> ended[0].status, ended[1].status, ended[1].problem.slug
        ('succeeded', 'failed', 'not-found')
        """
        return waiting.outcomes(self.transport, submissions, timeout)

    def get_item(self, item_id: str) -> Item:
        """Return the latest committed version of the item, with its ETag. Raise NotFound if it does not exist.

        >>> client.get_item(item.id)["name"]
        'Stove'
        """
        response = self.transport.get(calls.item_path(item_id))
        return parse_item(parse_json(response), response.headers.get("ETag"))

    def iter_items(
        self, page_size: int | None = None, *, on_unreadable: Callable[[str], object] | None = None
    ) -> Iterator[Item]:
        """Yield all items, page by page.

        If an item's document is missing, the others are still yielded, and `on_unreadable` is called with its id.
        Without `on_unreadable`, ItemsUnreadable is raised at the end.

        >>> [item["name"] for item in client.iter_items()]
        ['Stove']
        """
        return pages.fetch_items(self.transport, page_size, on_unreadable)

    def collection(self, name: str) -> Collection:
        """Return a client for one collection, which also offers look-ups, upserts and operations.

        >>> orders = client.collection("orders")
        >>> orders.sync.upsert({"number": "7", "customer": "alice"})["customer"]
        'alice'
        """
        return Collection(self.transport, name, self._find_key_field)

    def collections(self) -> Mapping[str, CollectionInfo]:
        """Return the collections that the deployment serves, by name, with their schemas and operations.

        The client reads them once, from the OpenAPI document; create a new client to see a later deployment.

        >>> list(client.collections())
        ['items', 'orders']
        """
        return MappingProxyType(self._collections)

    def stats(self) -> Stats:
        """Return the numbers of queued and parked messages and of scheduled commands, across all callers.

        >>> client.stats().parked
        0
        """
        return Stats.of(parse_json(self.transport.get("/stats")))

    def health(self) -> dict[str, Any]:
        """Return the status and the version of the service.

        >>> client.health()["status"]
        'ok'
        """
        health = parse_json(self.transport.get("/health"))
        if not isinstance(health, dict):
            raise InvalidResponse("the response from /health is not a JSON object")
        return health

    def close(self) -> None:
        """Close all connections. The client can still be used and then opens new ones."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.base_url!r})"

    @cached_property
    def _collections(self) -> dict[str, CollectionInfo]:
        return read_catalogue(self.transport)

    def _find_key_field(self, collection: str) -> str | None:
        info = self._collections.get(collection)
        return None if info is None else info.key

    def _job(self, call: Call) -> Job:
        return parse_job(self.transport.send(call))
