"""Convert batches to DynamoDB rows and back."""

from __future__ import annotations

from typing import Any

from jobpipe.domain import json_text
from jobpipe.domain.jobs.batch import Batch
from jobpipe.stores.dynamodb_rows import Row, text_of, to_row


def batch_to_row(batch: Batch) -> Row:
    """Return the row of a batch."""
    refused = {str(position): problem for position, problem in batch.refused.items()}
    return to_row(
        {
            "job_id": batch.batch_id,
            "owner": batch.owner,
            "fingerprint": batch.fingerprint,
            "seed": batch.seed,
            "size": batch.size,
            "stored": batch.stored,
            "created_at": batch.created_at,
            "expires_at": batch.expires_at,
            "idempotency_key": batch.idempotency_key,
            "name": batch.name,
            "refused": json_text.encode(refused) if refused else None,
        }
    )


def batch_from_row(row: Any) -> Batch:
    """Return the batch of a row."""
    refused = json_text.decode(row["refused"]["S"]) if "refused" in row else {}
    return Batch(
        batch_id=row["job_id"]["S"],
        owner=row["owner"]["S"],
        fingerprint=row["fingerprint"]["S"],
        seed=row["seed"]["S"],
        size=int(row["size"]["N"]),
        refused={int(position): problem for position, problem in refused.items()},
        stored=int(row["stored"]["N"]),
        created_at=row["created_at"]["S"],
        expires_at=int(row["expires_at"]["N"]),
        idempotency_key=text_of(row, "idempotency_key"),
        name=text_of(row, "name"),
    )
