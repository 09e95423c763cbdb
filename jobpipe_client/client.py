"""The asynchronous face of the API: a write returns its job, which is then waited for."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_delay, wait_random_exponential

from jobpipe_client import calls, following, pages
from jobpipe_client.answers import batch_of, item_of, job_of
from jobpipe_client.exceptions import BadAnswer, TimedOut, WaitTimeout
from jobpipe_client.many import MAX_COMMANDS, check, submit_many
from jobpipe_client.models import Batch, BatchEntry, Item, Job, Stats, Submission
from jobpipe_client.settings import Connection, find_connection
from jobpipe_client.sync import SyncClient
from jobpipe_client.transport import Transport, document

if TYPE_CHECKING:
    from jobpipe_client.calls import Call, Json

LONGEST_WAIT = 20  # seconds that the service holds an answer back at most
_BACKOFF = wait_random_exponential(multiplier=0.1, max=5)


class Client:
    """One deployment of jobpipe. Safe to share between threads; each gets connections of its own.

    Every write carries an idempotency key, the caller's or a fresh one, and is sent again with it up to
    `retries` times after a broken connection, a 429, 502, 503 or 504. `timeout` is for one answer, in seconds.

    >>> with Client(url, key, timeout=5, retries=2) as client:
    ...     client.health()["status"]
    'ok'
    """

    def __init__(
        self, base_url: str, api_key: str, timeout: float = 10.0, *, retries: int = 4, pool_size: int = 2
    ) -> None:
        self.transport = Transport(
            Connection(base_url, api_key), timeout=timeout, retries=retries, pool_size=pool_size
        )

    @classmethod
    def from_stage(
        cls, stage: str | None = None, timeout: float = 10.0, *, retries: int = 4, pool_size: int = 2
    ) -> Self:
        """A client of a deployed stage, or of JOBPIPE_URL; ConfigurationError if there is neither.

        >>> Client.from_stage("local").health()["status"]
        'ok'
        """
        found = find_connection(stage)
        return cls(found.base_url, found.api_key, timeout, retries=retries, pool_size=pool_size)

    @property
    def base_url(self) -> str:
        return self.transport.base_url

    @cached_property
    def sync(self) -> SyncClient:
        """The same API as if it were synchronous: methods that return the item or raise."""
        return SyncClient(self)

    def create(self, item: Json, *, idempotency_key: str | None = None) -> Job:
        """Creates an item from its fields, `name` and `description` among them.

        >>> job = client.create({"name": "Tent", "description": "For two", "price": 12.95})
        >>> client.wait(job).result["price"]
        12.95
        """
        return self._accepted(calls.create(item, idempotency_key))

    def update(
        self, item_id: str, fields: Json, *, idempotency_key: str | None = None, if_match: str | None = None
    ) -> Job:
        """Sets the given fields, the others stay.

        >>> job = client.wait(client.update(item.id, {"price": 11}, if_match=item.etag))
        >>> job.item["name"], job.item["price"]
        ('Stove', 11)
        """
        return self._accepted(calls.update(item_id, fields, idempotency_key, if_match))

    def merge(
        self, item_id: str, patch: Json, *, idempotency_key: str | None = None, if_match: str | None = None
    ) -> Job:
        """Applies an RFC 7396 merge patch: null removes a field, objects merge, all else replaces.

        >>> job = client.wait(client.merge(item.id, {"price": None, "stock": {"Lyon": 3}}))
        >>> "price" in job.item, job.item["stock"]
        (False, {'Lyon': 3})
        """
        return self._accepted(calls.merge(item_id, patch, idempotency_key, if_match))

    def delete(self, item_id: str, *, idempotency_key: str | None = None, if_match: str | None = None) -> Job:
        """Deletes an item and frees its name.

        >>> client.wait(client.delete(item.id)).status
        'succeeded'
        """
        return self._accepted(calls.delete(item_id, idempotency_key, if_match))

    def read(self, item_id: str, *, idempotency_key: str | None = None) -> Job:
        """Queues a read, which sees every command accepted before it for this item.

        >>> _ = client.update(item.id, {"price": 11})
        >>> client.wait(client.read(item.id)).item["price"]
        11
        """
        return self._accepted(calls.read(item_id, idempotency_key))

    def submit(self, command: Json, *, idempotency_key: str | None = None) -> Job:
        """Queues a command in its raw form, such as {"operation": "delete", "item_id": ...}.

        >>> client.wait(client.submit({"operation": "delete", "item_id": item.id})).operation
        'delete'
        """
        return self._accepted(calls.submit(command, idempotency_key))

    def submit_batch(self, commands: Sequence[Json], *, idempotency_key: str | None = None) -> Batch:
        """Queues up to 100 commands in their raw form; those of one item take effect in their order here.

        A command that is not valid, or could not be queued (`unsent`), is told in its entry.

        >>> batch = client.submit_batch([{"operation": "read", "item_id": item.id}, {"operation": "fly"}])
        >>> [entry.problem and entry.problem.slug for entry in batch.entries]
        [None, 'invalid-request']
        """
        return batch_of(self.transport.send(calls.submit_batch(commands, idempotency_key)))

    def submit_many(
        self,
        commands: Iterable[Json],
        *,
        concurrency: int = 4,
        batch_size: int = MAX_COMMANDS,
        key: str | None = None,
    ) -> Generator[Submission, None, None]:
        """Queues any number of commands in their raw form, and tells of each, in their order, what became of it.

        They are read as they are sent, in batches, `concurrency` requests at a time; those of one item take effect
        in their order. With the same `key`, `batch_size` and commands the whole iteration can be repeated after
        whatever ended it, and nothing takes effect twice. Unavailable if some could not be queued after `retries`.
        Closing the iterator ends the sending; what was under way may have been accepted.

        >>> poles = [{"name": f"Pole {n}", "description": "Steel"} for n in range(250)]
        >>> commands = [{"operation": "create", "item": pole} for pole in poles]
        >>> submissions = list(client.submit_many(commands, key="poles-1"))
        >>> len(submissions), all(submission.accepted for submission in submissions)
        (250, True)
        >>> list(client.submit_many(commands, key="poles-1")) == submissions
        True
        """
        check(concurrency, batch_size, key)
        return submit_many(
            self.transport,
            commands,
            concurrency=concurrency,
            batch_size=batch_size,
            key=str(uuid.uuid4()) if key is None else key,
        )

    def batch(self, batch_id: str) -> Batch:
        """The batch now: its jobs and their status, without their results.

        >>> batch = client.submit_batch([{"operation": "read", "item_id": item.id}])
        >>> client.batch(batch.id).size
        1
        """
        return batch_of(self.transport.get(calls.batch_path(batch_id)))

    def job(self, job_id: str, wait: int = 0) -> Job:
        """The job now, or, with `wait`, as soon as it ends or those seconds (20 at most) are over.

        >>> client.job(client.read(item.id).id, wait=20).status
        'succeeded'
        """
        return self._poll(job_id, wait, None)

    def jobs(self, status: Literal["failed", "retrying"], page_size: int | None = None) -> Iterator[Job]:
        """Your jobs in trouble, latest first, fetched page by page; what changed a moment ago may be missing.

        >>> _ = client.wait(client.read("no-such-item"))
        >>> [job.error.slug for job in client.jobs("failed")]
        ['not-found']
        """
        query: dict[str, Any] = {"status": status, **({"limit": page_size} if page_size else {})}
        return (Job.of(entry) for entry in pages.entries(self.transport, "/jobs", query))

    def cancel(self, job_id: str) -> Job:
        """Ends a job that has not taken effect, so that it never will; JobEndedAlready if it has ended.

        >>> client.cancel(client.delete(item.id).id).status
        'cancelled'
        """
        return self._accepted(calls.cancel(job_id))

    def retry(self, job_id: str) -> Job:
        """Queues a failed job again; one that waits or runs is left as it is.

        >>> failed = client.wait(client.create({"name": item["name"], "description": "The name is taken"}))
        >>> _ = client.wait(client.delete(item.id))
        >>> client.wait(client.retry(failed.id)).status
        'succeeded'
        """
        return self._accepted(calls.retry(job_id))

    def wait(self, job: Job, timeout: float = 60.0, *, long_poll: int = 1) -> Job:
        """The job at its end, however it ended; WaitTimeout if that takes more than `timeout` seconds.

        `long_poll` is how long the service may hold the first answer back: most jobs end within a second. For one
        that did not, polling is cheaper: at the pace that the service asks for, an older job less often.

        >>> job = client.wait(client.create({"name": "Tent", "description": "For two"}), timeout=30)
        >>> job.succeeded, job.item["name"]
        (True, 'Tent')
        """
        if job.done:
            return job
        latest = job
        deadline = time.monotonic() + timeout
        holds = iter([long_poll])

        def poll() -> Job:
            nonlocal latest
            remaining = max(0.0, deadline - time.monotonic())
            latest = self._poll(job.id, min(next(holds, 0), LONGEST_WAIT, int(remaining)), deadline)
            return latest

        def pause(state: RetryCallState) -> float:
            # Cut short at the deadline, for one last look.
            wanted = max(latest.retry_after or 0.0, _BACKOFF(state))
            return min(wanted, max(0.0, deadline - time.monotonic()))

        def give_up(_: RetryCallState) -> Job:
            raise WaitTimeout(latest)

        retrying = Retrying(
            retry=retry_if_result(lambda seen: not seen.done),
            stop=stop_after_delay(timeout),
            wait=pause,
            retry_error_callback=give_up,
        )
        try:
            return retrying(poll)
        except TimedOut as error:
            if time.monotonic() >= deadline:
                raise WaitTimeout(latest) from error
            raise

    def as_completed(
        self, jobs: Iterable[Job | Submission | str], *, timeout: float | None = None
    ) -> Iterator[Job]:
        """The jobs as they end, however they end, each once; WaitTimeout after `timeout` seconds.

        Given as jobs, as their ids or as submissions, which cost the fewest requests: one for the whole batch, and
        one for each job when it has ended. What was refused has no job and is passed over.

        >>> jobs = [client.create({"name": f"Tent {n}", "description": "For two"}) for n in range(3)]
        >>> sorted(job.item["name"] for job in client.as_completed(jobs, timeout=30))
        ['Tent 0', 'Tent 1', 'Tent 2']
        """
        return following.as_completed(self.transport, jobs, timeout)

    def outcomes(
        self, submissions: Iterable[Submission], *, timeout: float | None = None
    ) -> Iterator[tuple[Submission, BatchEntry]]:
        """Each submission with its final entry as soon as it has one; WaitTimeout after `timeout` seconds.

        An entry has the status and the problem, but no result, and costs no request of its own. A refused command's
        has its problem, that of an expired job a 404. `submissions` is read while others are waited for.

        >>> commands = [{"operation": "read", "item_id": item.id}, {"operation": "read", "item_id": "no-such-item"}]
        >>> ended = {submission.place: entry for submission, entry in client.outcomes(client.submit_many(commands))}
        >>> ended[0].status, ended[1].status, ended[1].problem.slug
        ('succeeded', 'failed', 'not-found')
        """
        return following.outcomes(self.transport, submissions, timeout)

    def get_item(self, item_id: str) -> Item:
        """The item as last committed, with its ETag; NotFound if there is none.

        >>> client.get_item(item.id)["name"]
        'Stove'
        """
        response = self.transport.get(calls.item_path(item_id))
        return item_of(document(response), response.headers.get("ETag"))

    def iter_items(
        self, page_size: int | None = None, *, on_unreadable: Callable[[str], object] | None = None
    ) -> Iterator[Item]:
        """All items, fetched page by page while they are consumed.

        If an item's document is missing, the others are still yielded. Its id goes to `on_unreadable`; without
        that, ItemsUnreadable is raised at the end.

        >>> [item["name"] for item in client.iter_items()]
        ['Stove']
        """
        return pages.items(self.transport, page_size, on_unreadable)

    def stats(self) -> Stats:
        """How many messages wait, for how long, and how many were given up; all callers' together.

        >>> client.stats().parked
        0
        """
        return Stats.of(document(self.transport.get("/stats")))

    def health(self) -> dict[str, Any]:
        """What the service says about itself, its version among it.

        >>> client.health()["status"]
        'ok'
        """
        said = document(self.transport.get("/health"))
        if not isinstance(said, dict):
            raise BadAnswer("the answer of /health is not an object")
        return said

    def close(self) -> None:
        """Closes all connections; the client can still be used and opens new ones."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.base_url!r})"

    def _accepted(self, call: Call) -> Job:
        return job_of(self.transport.send(call))

    def _poll(self, job_id: str, wait: int, deadline: float | None) -> Job:
        query = {"wait": wait} if wait > 0 else None
        return job_of(self.transport.get(calls.job_path(job_id), query, wait=wait, deadline=deadline))
