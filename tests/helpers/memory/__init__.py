"""The stores of jobpipe.domain.ports in memory; tests/contract checks that they behave like AWS."""

from __future__ import annotations

from datetime import timedelta

RETENTION = timedelta(days=7)  # of jobs and batches
