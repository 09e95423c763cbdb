"""Completes the look-ups of a collection: gives every document the locks and index entries of its fields.

Documents, versions and ETags do not change, and the stage may be used meanwhile. This is safe to interrupt and to
repeat. Documents that share a value of a unique field are listed in pairs. Values that a look-up cannot have are
listed too. The look-up stays `building` until these documents are changed and this is run again. Exit status: 0 all
look-ups are ready, 1 there are problems, or an error.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, cast

from rich.console import Console

from infra.cli.command_line import run
from infra.cli.console import LastingConsole, emit
from infra.deployment.collection_indexes import settling_seconds
from infra.errors import OperatorError
from infra.stage.collection_rows import READY, CollectionRow, CollectionRows, RowChangedError
from jobpipe.stores.documents.s3_documents import S3Documents
from scripts.reindex.rebuild import Problem, Rebuild
from scripts.stage.aws import StageAws, open_stage
from scripts.stage.collections import FolderCollection, chosen_collection, collection_parser
from scripts.stage.commands import one_line_errors
from scripts.stage.documents import THREADS, Documents, documents_bar, documents_of
from scripts.stage.tables import print_table

_EXAMPLES = """examples:
  make reindex COLLECTION=orders COLLECTIONS=../shop
  python -m scripts.reindex --stage prod --collections ../shop --json orders
"""


@dataclass
class Summary:
    """The results of a run."""

    documents: int = 0
    changed: int = 0
    problems: list[Problem] = field(default_factory=list)  # the first problems
    problems_by_field: Counter[str] = field(default_factory=Counter)
    ready: list[str] = field(default_factory=list)
    building: list[str] = field(default_factory=list)

    def add(self, problems: list[Problem], limit: int) -> None:
        self.problems_by_field.update(each.field for each in problems)
        self.problems += problems[: max(0, limit - len(self.problems))]

    def to_json(self, collection: str) -> str:
        found = asdict(self) | {"collection": collection, "problems_by_field": dict(self.problems_by_field)}
        return json.dumps(found, indent=2)


def main(arguments: list[str] | None = None) -> int:
    """Reindex one collection of a stage."""
    options = collection_parser("reindex", __doc__, _EXAMPLES, 1000, "problems").parse_args(arguments)
    return run("reindex", lambda: _command(options))


def _command(options: argparse.Namespace) -> int:
    collection = chosen_collection(options)
    console = LastingConsole(highlight=False, quiet=options.json)
    with one_line_errors():
        stage = open_stage(options.stage)
        documents = documents_of(stage, collection.name, own=collection.own)
        rows = CollectionRows(stage.clients.dynamodb, documents.tables.collections)
        row = stored_row(rows, collection, stage.deployment.stage)
        _wait_for_old_worker(stage, row, console)
        bucket = S3Documents(stage.clients, stage.resource("documents_bucket"))
        rebuild = rebuild_of(documents, bucket, collection, rows, row)
        summary = reindex(rebuild, rows, row, options.limit)
    if options.json:
        emit(summary.to_json(collection.name))
    else:
        print_summary(console, collection.name, summary)
    return 1 if summary.problems_by_field else 0


def stored_row(rows: CollectionRows, collection: FolderCollection, stage: str) -> CollectionRow:
    """Return the stage's row; raise OperatorError if the folder's rules differ from the deployed rules."""
    row = rows.get(collection.name)
    if row is None:
        raise OperatorError(f"the stage {stage!r} has no collection {collection.name}: deploy it first")
    if row.rules != collection.rules:
        raise OperatorError(
            f"key, unique, indexes, access or types of {collection.source.shown} differ from the stage"
            f" {stage!r}: deploy this folder first, or name the deployed folder by COLLECTIONS"
        )
    return row


def _wait_for_old_worker(stage: StageAws, row: CollectionRow, console: Console) -> None:
    """Wait until the last command of the old worker has ended, which took no locks of new fields."""
    left = row.changed_at - time.time()
    worker = stage.resource("worker_function")
    left += settling_seconds(stage.target.client("lambda"), worker, stage.is_emulated)
    if left > 0:
        console.print(f"waiting {left:.0f} s until all commands of the old worker have ended")
        time.sleep(left)


def check_deployed(rows: CollectionRows, name: str, row: CollectionRow) -> None:
    """Raise RowChangedError if the stage's row has been changed since it was read."""
    found = rows.get(name)
    if found is None or found.revision != row.revision:
        raise RowChangedError(f"{name} was deployed or reindexed meanwhile; run this again")


def rebuild_of(
    documents: Documents,
    bucket: S3Documents,
    collection: FolderCollection,
    rows: CollectionRows,
    row: CollectionRow,
) -> Rebuild:
    """Return a Rebuild by the folder's rules, which fails when the stage's row is no longer this one."""
    name = collection.name
    check = partial(check_deployed, rows, name, row)
    return Rebuild(documents, bucket, collection.checks, check, cast("Any", rows.unchanged(name, row)))


def reindex(rebuild: Rebuild, rows: CollectionRows, row: CollectionRow, limit: int) -> Summary:
    """Go through every document, and record which look-ups are ready."""
    name = rebuild.collection.name
    summary = Summary()
    with documents_bar(name) as advance, _threads() as pool:
        for page in rebuild.read.pages():
            rebuild.still_deployed()
            for outcome in pool.map(rebuild.document, page.found):
                summary.documents += 1
                summary.changed += outcome.changed
                summary.add(outcome.problems, limit)
            advance(page.part, summary.documents)
    failed = set(summary.problems_by_field)
    states = {field: state if failed & {"", field} else READY for field, state in row.states.items()}
    if states != row.states:
        row = rows.put(name, row, row.rules, states, row.changed_at)
    summary.ready = [field for field, state in row.states.items() if state == READY]
    summary.building = row.building
    return summary


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Yield a pool that starts no further document after Ctrl-C."""
    pool = ThreadPoolExecutor(THREADS)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def print_summary(console: Console, collection: str, summary: Summary) -> None:
    """Print what was found, and which look-ups are ready."""
    rows = ((each.field, each.item_id, each.other or "", each.scope, each.detail) for each in summary.problems)
    print_table(console, ("field", "document", "other document", "owner", "detail"), rows, "Problems")
    hidden = summary.problems_by_field.total() - len(summary.problems)
    if hidden:
        console.print(f"and {hidden:,} more (--limit)")
    console.print(
        f"{collection}: {summary.documents:,} documents, {summary.changed:,} of them got locks or entries"
    )
    if summary.ready:
        console.print(f"ready:    {', '.join(summary.ready)}", soft_wrap=True)
    if summary.building:
        line = f"building: {', '.join(summary.building)}; change the documents above, and run this again"
        console.print(line, style="bold yellow", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
