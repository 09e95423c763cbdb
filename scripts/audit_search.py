"""The audit: load, ask each check for suspects, look at each suspect again."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from jobpipe.clock import now as current_time
from jobpipe.clock import rfc3339
from scripts import audit_checks
from scripts.audit_confirm import Confirm
from scripts.audit_findings import Finding
from scripts.audit_places import Places
from scripts.audit_tables import load, open_tables

if TYPE_CHECKING:
    from mypy_boto3_sqs.literals import QueueAttributeFilterType

_ALL = "9999"  # later than every time in RFC 3339
_COUNTS: list[QueueAttributeFilterType] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
]


class Watch:
    """Whom an audit tells how it goes; this one does not listen."""

    def counted(self, what: str, n: int) -> None:
        """So many of these were read, or looked at again, so far."""

    def note(self, text: str) -> None:
        """What is no finding, but worth knowing."""


def audit(
    places: Places, *, older_than: float = 0, now: datetime | None = None, watch: Watch | None = None
) -> list[Finding]:
    """Everything that stands up; on a clean store at four calls of AWS and no more."""
    return list(search(places, older_than=older_than, now=now, watch=watch))


def search(
    places: Places, *, older_than: float = 0, now: datetime | None = None, watch: Watch | None = None
) -> Iterator[Finding]:
    """Findings, one at a time: what changed in the last `older_than` seconds is left alone (0: nothing is).

    In constant memory, however much there is and however much of it is damaged.
    """
    now, watch = now or current_time(), watch or Watch()
    cutoff = rfc3339(now - timedelta(seconds=older_than)) if older_than > 0 else _ALL
    confirm = Confirm(places, now)
    with open_tables() as db:
        load(db, places, now, watch.counted)

        def each(what: str, statement: str, look: Callable[..., Finding | None]) -> Iterator[Finding]:
            for n, suspect in enumerate(db.execute(statement, {"cutoff": cutoff}), 1):
                watch.counted(f"{what} suspected", n)
                finding = look(*suspect)
                if finding is not None:
                    yield finding

        yield from each("dangling pointers", audit_checks.DANGLING_POINTERS, confirm.dangling_pointer)
        yield from each("orphan documents", audit_checks.ORPHAN_DOCUMENTS, confirm.orphan_document)
        yield from each("locks without item", audit_checks.LOCKS_WITHOUT_ITEM, confirm.lock_without_item)
        yield from each("items without lock", audit_checks.ITEMS_WITHOUT_LOCK, confirm.item_without_lock)
        yield from each("names held twice", audit_checks.NAMES_HELD_TWICE, confirm.name_held_twice)
        if _is_idle(db, places, cutoff, watch):
            yield from each("unfinished jobs", audit_checks.UNFINISHED_JOBS, _flag(confirm.unfinished_job))
        yield from each("orphan claims", audit_checks.ORPHAN_CLAIMS, confirm.orphan_claim)
        yield from each("missing claims", audit_checks.MISSING_CLAIMS, confirm.missing_claim)


def _flag(look: Callable[..., Finding | None]) -> Callable[..., Finding | None]:
    return lambda job_id, generation, has_document: look(job_id, generation, has_document=bool(has_document))


def _is_idle(db: sqlite3.Connection, places: Places, cutoff: str, watch: Watch) -> bool:
    """Whether unfinished jobs, if there are any, have nothing to wait for."""
    counted: tuple[Any, ...] = db.execute(
        f"SELECT count(*) FROM ({audit_checks.UNFINISHED_JOBS})",  # noqa: S608 - our own statement
        {"cutoff": cutoff},
    ).fetchone()
    if counted[0] == 0:
        return False  # so that a clean audit does not ask the queues
    messages = waiting_messages(places)
    if messages:
        watch.note(f"{counted[0]} unfinished jobs, with about {messages} messages on the queues: they wait")
    return messages == 0


def waiting_messages(places: Places) -> int:
    """About how many messages are on the queues, in flight and delayed ones included; 0 only if seen repeatedly.

    SQS's counts are behind, by up to a minute after the last message was sent. And a message that becomes a dead
    letter, or is taken back from there, could be missed on both queues if each was looked at once.
    """
    for look in range(places.queue_looks):
        if look and places.queue_pause:
            time.sleep(places.queue_pause)
        for url in places.queue_urls:
            answer = places.clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=_COUNTS)
            messages = sum(map(int, answer["Attributes"].values()))
            if messages:
                return messages
    return 0
