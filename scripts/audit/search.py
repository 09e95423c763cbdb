"""Searches a stage for findings: reads everything, runs each check, and confirms each suspect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from jobpipe.domain.clock import now as current_time
from jobpipe.domain.clock import rfc3339
from scripts.audit import checks
from scripts.audit.confirm import Confirm
from scripts.audit.findings import Finding
from scripts.audit.resources import Backlog, Resources
from scripts.audit.rows import MalformedRowError
from scripts.audit.tables import OnProgress, load, open_tables

_LATEST = "9999"  # sorts after every time in RFC 3339
_CHECKS: tuple[tuple[str, str, Callable[..., Finding | None]], ...] = (
    ("malformed rows", checks.MALFORMED_ROWS, Confirm.malformed_row),
    ("dangling pointers", checks.DANGLING_POINTERS, Confirm.dangling_pointer),
    ("orphan documents", checks.ORPHAN_DOCUMENTS, Confirm.orphan_document),
    ("locks without item", checks.LOCKS_WITHOUT_ITEM, Confirm.lock_without_item),
    ("items without lock", checks.ITEMS_WITHOUT_LOCK, Confirm.item_without_lock),
    ("names held twice", checks.NAMES_HELD_TWICE, Confirm.name_held_twice),
    ("unfinished jobs", checks.UNFINISHED_JOBS, Confirm.unfinished_job),
    ("orphan claims", checks.ORPHAN_CLAIMS, Confirm.orphan_claim),
    ("missing claims", checks.MISSING_CLAIMS, Confirm.missing_claim),
)


def audit(resources: Resources, *, older_than: float = 0, now: datetime | None = None) -> list[Finding]:
    """Return all findings; a clean stage costs one listing and three scans."""
    return list(search(resources, Backlog(resources), older_than=older_than, now=now))


def search(
    resources: Resources,
    backlog: Backlog,
    *,
    older_than: float = 0,
    now: datetime | None = None,
    on_progress: OnProgress = lambda _, __: None,
) -> Iterator[Finding]:
    """Yield the findings, in constant memory.

    Rows and objects that changed in the last `older_than` seconds are left out; with 0, none are. Suspects that
    cannot be judged while messages wait are counted in `backlog`.
    """
    now = now or current_time()
    cutoff = rfc3339(now - timedelta(seconds=older_than)) if older_than > 0 else _LATEST
    confirm = Confirm(resources, now, backlog)
    with open_tables() as db:
        load(db, resources, now, on_progress)
        for what, statement, confirmed in _CHECKS:
            for n, suspect in enumerate(db.execute(statement, {"cutoff": cutoff}), 1):
                on_progress(f"{what} suspected", n)
                try:
                    finding = confirmed(confirm, *suspect)
                except MalformedRowError:
                    continue  # the row is a finding of its own, and the suspect cannot be judged without it
                if finding is not None:
                    yield finding
