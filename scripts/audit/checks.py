"""The checks: SQL statements on the audit's tables, each of which selects suspects.

Not every suspect is a finding, because the stage changes while it is being read. Each statement skips what changed
after `:cutoff`, a time in RFC 3339. The columns are the arguments of the method in confirm.py.
"""

from __future__ import annotations

DANGLING_POINTERS = """
    SELECT items.item_id, items.document_key
    FROM items LEFT JOIN objects ON objects.key = items.document_key
    WHERE objects.key IS NULL AND items.updated_at <= :cutoff
"""
"""Items whose document is not in the bucket."""

DANGLING_DOCUMENT_POINTERS = """
    SELECT documents.item_id, documents.document_key, collection, scope
    FROM documents LEFT JOIN objects ON objects.key = documents.document_key
    WHERE objects.key IS NULL AND documents.updated_at <= :cutoff
"""
"""Rows of other collections whose document is not in the bucket."""

MALFORMED_ROWS = """
    SELECT table_name, key, sort_key FROM malformed
"""
"""Rows that are not valid in their table."""

ORPHAN_DOCUMENTS = """
    SELECT key, EXISTS (SELECT 1 FROM jobs WHERE superseded = objects.key) FROM objects
    WHERE kind = 'documents' AND modified <= :cutoff
    AND NOT EXISTS (SELECT 1 FROM items WHERE document_key = objects.key)
    AND NOT EXISTS (SELECT 1 FROM documents WHERE document_key = objects.key)
    AND NOT EXISTS (
        SELECT 1 FROM jobs
        WHERE jobs.job_id = objects.job_id
        AND (updated_at > :cutoff OR (jobs.generation = objects.generation AND NOT done))
    )
    AND NOT EXISTS (SELECT 1 FROM jobs WHERE superseded = objects.key AND updated_at > :cutoff)
"""
"""Documents to which no row points, and which no job can commit, since the job has ended or has a new generation.

The worker deletes a superseded document soon after the commit, so one superseded after the cutoff is skipped. The
second column says whether a job has recorded that it superseded the document. Such a record is never removed.
"""

LOCKS_WITHOUT_ITEM = """
    SELECT locks.name
    FROM locks LEFT JOIN items ON items.item_id = locks.item_id
    WHERE items.item_id IS NULL OR items.name <> locks.name
"""
"""Locks whose item does not exist, or has another name."""

ITEMS_WITHOUT_LOCK = """
    SELECT items.item_id
    FROM items LEFT JOIN locks ON locks.name = items.name
    WHERE locks.item_id IS NOT items.item_id AND items.updated_at <= :cutoff
    AND NOT EXISTS (SELECT 1 FROM items AS other WHERE other.name = items.name AND other.item_id <> items.item_id)
"""
"""Items whose name is not locked, or is locked for another item, unless several items have the name."""

NAMES_HELD_TWICE = """
    SELECT name, min(item_id), max(item_id) FROM items GROUP BY name
    HAVING count(*) > 1 AND max(updated_at) <= :cutoff
"""
"""Names that several items have, with two of the items."""

UNFINISHED_JOBS = """
    SELECT job_id, generation, updated_at, EXISTS (
        SELECT 1 FROM objects
        WHERE objects.job_id = jobs.job_id AND objects.generation = jobs.generation AND kind = 'documents'
    )
    FROM jobs WHERE NOT done AND scheduled_for IS NULL AND updated_at <= :cutoff
"""
"""Unfinished jobs that are not scheduled, and whether a worker put a document for them.

They are findings if the queues are empty, or if they are older than a message can be.
"""

OVERDUE_JOBS = """
    SELECT job_id FROM jobs WHERE scheduled_for <= :overdue AND updated_at <= :cutoff
"""
"""Scheduled jobs whose time has long passed."""

ORPHAN_COMMANDS = """
    SELECT objects.key
    FROM objects LEFT JOIN jobs ON jobs.job_id = objects.job_id
    WHERE kind = 'waiting' AND modified <= :cutoff AND (jobs.job_id IS NULL OR NOT waits)
"""
"""Commands in the bucket that no waiting job needs any more. A cancelled job waits until the next release."""

ORPHAN_CLAIMS = """
    SELECT objects.key
    FROM objects LEFT JOIN jobs ON jobs.job_id = objects.job_id
    WHERE kind = 'claims' AND modified <= :cutoff
    AND (
        objects.job_id IS NULL
        OR done AND jobs.updated_at <= :cutoff AND objects.modified >= jobs.created_at AND claim IS NOT objects.key
    )
"""
"""Claim checks whose job has ended and does not keep them.

Claim checks of failed jobs that have expired, or that a later job of the same id has replaced, are skipped:
DynamoDB expires the row silently, and the bucket's lifecycle deletes the claim check.
"""

MISSING_CLAIMS = """
    SELECT jobs.job_id, jobs.claim
    FROM jobs LEFT JOIN objects ON objects.key = jobs.claim
    WHERE jobs.claim IS NOT NULL AND objects.key IS NULL AND updated_at <= :cutoff
"""
"""Failed jobs that keep a claim check which is not in the bucket."""

LOCKS_WITHOUT_DOCUMENT = """
    SELECT value FROM lookups
    WHERE is_lock
    AND NOT EXISTS (
        SELECT 1 FROM recorded
        WHERE recorded.value = lookups.value AND recorded.item_id = lookups.item_id AND recorded.is_lock
    )
    AND NOT EXISTS (
        SELECT 1 FROM building WHERE building.collection = lookups.collection AND building.field = lookups.field
    )
"""
"""Locks of unique values whose document does not exist, or does not record the value.

While a look-up is being built, documents may have locks and entries that their rows do not record yet.
"""

DOCUMENTS_WITHOUT_LOCK = """
    SELECT value, collection, scope, item_id FROM recorded
    WHERE is_lock AND updated_at <= :cutoff
    AND NOT EXISTS (
        SELECT 1 FROM lookups
        WHERE lookups.value = recorded.value AND lookups.item_id = recorded.item_id AND lookups.is_lock
    )
    AND NOT EXISTS (
        SELECT 1 FROM recorded AS other
        WHERE other.value = recorded.value AND other.is_lock AND other.item_id <> recorded.item_id
    )
"""
"""Unique values that are not locked, or locked for another document, unless several documents have them."""

VALUES_HELD_TWICE = """
    SELECT value, collection, scope, min(item_id), max(item_id) FROM recorded
    WHERE is_lock GROUP BY value HAVING count(*) > 1 AND max(updated_at) <= :cutoff
"""
"""Unique values that several documents have, with two of the documents."""

STALE_ENTRIES = """
    SELECT value, at, item_id FROM lookups
    WHERE NOT is_lock AND at <= :cutoff
    AND NOT EXISTS (
        SELECT 1 FROM recorded
        WHERE recorded.value = lookups.value AND recorded.item_id = lookups.item_id AND NOT recorded.is_lock
        AND recorded.updated_at = lookups.at
    )
    AND NOT EXISTS (
        SELECT 1 FROM building WHERE building.collection = lookups.collection AND building.field = lookups.field
    )
"""
"""Index entries whose document does not exist, or records another value or time of change."""

MISSING_ENTRIES = """
    SELECT value, collection, scope, item_id FROM recorded
    WHERE NOT is_lock AND updated_at <= :cutoff
    AND NOT EXISTS (
        SELECT 1 FROM lookups
        WHERE lookups.value = recorded.value AND lookups.item_id = recorded.item_id AND NOT lookups.is_lock
        AND lookups.at = recorded.updated_at
    )
"""
"""Documents that record a value of an indexed field, but have no entry for it."""
