"""Searches a stage for findings: reads everything, runs each check, and confirms each suspect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from jobpipe.domain.clock import now as current_time
from jobpipe.domain.clock import rfc3339
from scripts.audit import checks
from scripts.audit.attributes import MalformedRowError
from scripts.audit.confirm import OVERDUE, Confirm
from scripts.audit.confirm_lookups import ConfirmLookups
from scripts.audit.findings import Finding
from scripts.audit.resources import Backlog, Resources
from scripts.audit.tables import OnProgress, load, open_tables

_LATEST = "9999"  # sorts after every time in RFC 3339
_Check = tuple[str, str, Callable[..., Finding | None]]
"""What the check suspects, its statement, and the function that confirms a suspect."""


def audit(resources: Resources, *, older_than: float = 0, now: datetime | None = None) -> list[Finding]:
    """Return all findings; a clean stage costs one listing and five scans."""
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

    Rows and objects that changed in the last `older_than` seconds are skipped. Suspects that cannot be judged while
    messages wait are counted in `backlog`.
    """
    now = now or current_time()
    cutoff = rfc3339(now - timedelta(seconds=older_than)) if older_than > 0 else _LATEST
    parameters = {"cutoff": cutoff, "overdue": rfc3339(now - OVERDUE)}
    every = _checks(Confirm(resources, now, backlog), ConfirmLookups(resources))
    with open_tables() as db:
        load(db, resources, now, on_progress)
        for what, statement, confirmed in every:
            for n, suspect in enumerate(db.execute(statement, parameters), 1):
                on_progress(f"{what} suspected", n)
                try:
                    finding = confirmed(*suspect)
                except MalformedRowError:
                    continue  # the row is itself a finding, and the suspect cannot be judged without it
                if finding is not None:
                    yield finding


def _checks(confirm: Confirm, lookups: ConfirmLookups) -> tuple[_Check, ...]:
    return (
        ("malformed rows", checks.MALFORMED_ROWS, confirm.malformed_row),
        ("dangling pointers", checks.DANGLING_POINTERS, confirm.dangling_pointer),
        ("dangling pointers of collections", checks.DANGLING_DOCUMENT_POINTERS, confirm.dangling_pointer),
        ("orphan documents", checks.ORPHAN_DOCUMENTS, confirm.orphan_document),
        ("locks without item", checks.LOCKS_WITHOUT_ITEM, confirm.lock_without_item),
        ("items without lock", checks.ITEMS_WITHOUT_LOCK, confirm.item_without_lock),
        ("names held twice", checks.NAMES_HELD_TWICE, confirm.name_held_twice),
        ("locks without document", checks.LOCKS_WITHOUT_DOCUMENT, lookups.lock_without_document),
        ("documents without lock", checks.DOCUMENTS_WITHOUT_LOCK, lookups.document_without_lock),
        ("values held twice", checks.VALUES_HELD_TWICE, lookups.value_held_twice),
        ("stale index entries", checks.STALE_ENTRIES, lookups.stale_entry),
        ("missing index entries", checks.MISSING_ENTRIES, lookups.missing_entry),
        ("unfinished jobs", checks.UNFINISHED_JOBS, confirm.unfinished_job),
        ("overdue jobs", checks.OVERDUE_JOBS, confirm.overdue_job),
        ("orphan commands", checks.ORPHAN_COMMANDS, confirm.orphan_command),
        ("orphan claims", checks.ORPHAN_CLAIMS, confirm.orphan_claim),
        ("missing claims", checks.MISSING_CLAIMS, confirm.missing_claim),
    )
