"""All kinds of findings, in the order of audit and repair."""

from __future__ import annotations

from scripts.audit.findings import (
    DanglingPointer,
    Finding,
    ItemWithoutLock,
    LockWithoutItem,
    Lost,
    MalformedRow,
    MissingClaim,
    NameHeldTwice,
    NeverAnswered,
    NeverStored,
    OrphanClaim,
    OrphanDocument,
    Overdue,
)
from scripts.audit.lookup_findings import (
    DocumentWithoutLock,
    LockWithoutDocument,
    MissingEntry,
    StaleEntry,
    ValueHeldTwice,
)

KINDS: tuple[type[Finding], ...] = (
    MalformedRow,
    DanglingPointer,
    OrphanDocument,
    LockWithoutItem,
    ItemWithoutLock,
    NameHeldTwice,
    LockWithoutDocument,
    DocumentWithoutLock,
    ValueHeldTwice,
    StaleEntry,
    MissingEntry,
    NeverAnswered,
    NeverStored,
    Overdue,
    Lost,
    OrphanClaim,
    MissingClaim,
)
"""A stale lock must be deleted before the right one can be put."""
