"""The checks: each is one statement on the audit's tables, and selects suspects.

Not every suspect is a finding, because the stage changes while it is read. Each statement leaves out what changed
after `:cutoff`, a time in RFC 3339. The columns are the arguments of the method in confirm.py.
"""

from __future__ import annotations

DANGLING_POINTERS = """
    SELECT items.item_id, items.document_key
    FROM items LEFT JOIN objects ON objects.key = items.document_key
    WHERE objects.key IS NULL AND items.updated_at <= :cutoff
"""
"""Items whose document is not in the bucket."""

MALFORMED_ROWS = """
    SELECT table_name, key FROM malformed
"""
"""Rows that are not valid in their table."""

ORPHAN_DOCUMENTS = """
    SELECT key, EXISTS (SELECT 1 FROM jobs WHERE superseded = objects.key) FROM objects
    WHERE kind = 'items' AND modified <= :cutoff
    AND NOT EXISTS (SELECT 1 FROM items WHERE document_key = objects.key)
    AND NOT EXISTS (
        SELECT 1 FROM jobs
        WHERE jobs.job_id = objects.job_id
        AND (updated_at > :cutoff OR (jobs.generation = objects.generation AND NOT done))
    )
    AND NOT EXISTS (SELECT 1 FROM jobs WHERE superseded = objects.key AND updated_at > :cutoff)
"""
"""Documents to which no row points, and whose job has ended or has another generation, so cannot commit them.

The worker deletes a superseded document soon after the commit; documents superseded after the cutoff are left out.
The second column says whether a job has recorded that it superseded the document; such a record is never removed.
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
        WHERE objects.job_id = jobs.job_id AND objects.generation = jobs.generation AND kind = 'items'
    )
    FROM jobs WHERE NOT done AND updated_at <= :cutoff
"""
"""Jobs that have not ended, and whether a worker put a document for them.

They are findings if the queues are empty, or if they are older than a message can be.
"""

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

Claim checks of failed jobs that have expired, or were replaced by a later job of the same id, are left out:
DynamoDB expires the row without telling anybody, and the bucket's lifecycle deletes the claim check.
"""

MISSING_CLAIMS = """
    SELECT jobs.job_id, jobs.claim
    FROM jobs LEFT JOIN objects ON objects.key = jobs.claim
    WHERE jobs.claim IS NOT NULL AND objects.key IS NULL AND updated_at <= :cutoff
"""
"""Failed jobs that keep a claim check which is not in the bucket."""
