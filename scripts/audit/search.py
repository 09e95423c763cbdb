"""The audit: load, ask each check for suspects, look at each suspect again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from jobpipe.domain.clock import now as current_time
from jobpipe.domain.clock import rfc3339
from scripts.audit import checks as audit_checks
from scripts.audit.backlog import Backlog
from scripts.audit.confirm import Confirm
from scripts.audit.findings import Finding
from scripts.audit.places import Places
from scripts.audit.rows import MalformedRowError
from scripts.audit.tables import load, open_tables

_ALL = "9999"  # later than every time in RFC 3339


class Watch:
    """Whom an audit tells how it goes; this one does not listen."""

    def counted(self, what: str, n: int) -> None:
        """So many of these were read, or looked at again, so far."""

    def not_judged(self, what: str, n: int, messages: int) -> None:
        """So many of these may be findings or not, because about so many messages wait."""


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
    backlog = Backlog(places)
    confirm = Confirm(places, now, backlog)
    with open_tables() as db:
        load(db, places, now, watch.counted)

        def each(what: str, statement: str, look: Callable[..., Finding | None]) -> Iterator[Finding]:
            for n, suspect in enumerate(db.execute(statement, {"cutoff": cutoff}), 1):
                watch.counted(f"{what} suspected", n)
                try:
                    finding = look(*suspect)
                except MalformedRowError:
                    continue  # the row is a finding of its own, and what depends on it cannot be judged
                if finding is not None:
                    yield finding

        orphan_document = _flag("superseded", confirm.orphan_document)
        unfinished_job = _flag("has_document", confirm.unfinished_job)
        yield from each("malformed rows", audit_checks.MALFORMED_ROWS, confirm.malformed_row)
        yield from each("dangling pointers", audit_checks.DANGLING_POINTERS, confirm.dangling_pointer)
        yield from each("orphan documents", audit_checks.ORPHAN_DOCUMENTS, orphan_document)
        yield from each("locks without item", audit_checks.LOCKS_WITHOUT_ITEM, confirm.lock_without_item)
        yield from each("items without lock", audit_checks.ITEMS_WITHOUT_LOCK, confirm.item_without_lock)
        yield from each("names held twice", audit_checks.NAMES_HELD_TWICE, confirm.name_held_twice)
        yield from each("unfinished jobs", audit_checks.UNFINISHED_JOBS, unfinished_job)
        yield from each("orphan claims", audit_checks.ORPHAN_CLAIMS, confirm.orphan_claim)
        yield from each("missing claims", audit_checks.MISSING_CLAIMS, confirm.missing_claim)
    for what, n in backlog.not_judged.items():
        watch.not_judged(what, n, backlog.messages)


def _flag(name: str, look: Callable[..., Finding | None]) -> Callable[..., Finding | None]:
    """Pass the last column, a number in SQLite, as a boolean argument of this name."""
    return lambda *suspect: look(*suspect[:-1], **{name: bool(suspect[-1])})
