"""Checks every document of a collection against the folder's schema, and lists the documents that do not fit.

Nothing is changed, and nothing has to be deployed: run it before a deployment, to see what a stricter schema would
mean. Documents that do not fit can be read and deleted. A change is refused unless the document fits afterwards.
Exit status: 0 all documents fit, 1 some do not, or an error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial

from rich.console import Console

from infra.cli.command_line import run
from infra.cli.console import LastingConsole, emit
from jobpipe.domain import json_text
from jobpipe.domain.documents.declared_collection import DeclaredCollection
from jobpipe.domain.documents.item import StoredItem
from jobpipe.domain.errors import InvalidRequest, Violation
from jobpipe.domain.item_reader import document_text
from jobpipe.domain.ports import DocumentStore
from jobpipe.stores.documents.s3_documents import S3Documents
from scripts.stage.aws import open_stage
from scripts.stage.collections import chosen_collection, collection_parser
from scripts.stage.commands import one_line_errors
from scripts.stage.documents import THREADS, Documents, Found, documents_bar, documents_of
from scripts.stage.tables import print_table

_EXAMPLES = """examples:
  make check COLLECTION=orders COLLECTIONS=../shop
  python -m scripts.check --stage prod --collections ../shop --json orders
"""


@dataclass(frozen=True)
class Misfit:
    """A document that does not fit, and why."""

    id: str
    owner: str  # where access is own
    errors: list[dict[str, str]]


@dataclass
class Summary:
    """The results of a run."""

    documents: int = 0
    invalid: int = 0
    listed: list[Misfit] = field(default_factory=list)  # the first documents that do not fit

    def to_json(self, collection: str) -> str:
        return json.dumps(asdict(self) | {"collection": collection}, indent=2)


@dataclass(frozen=True)
class Checker:
    """Checks single documents; threads may share it."""

    read: Documents
    bucket: DocumentStore
    collection: DeclaredCollection

    def check(self, found: Found) -> Misfit | None:
        """Return the violations, or None if the document fits or no longer exists."""
        row = found.row
        misfit = partial(Misfit, row.item_id, found.scope)
        if not isinstance(row, StoredItem):
            return misfit([_error("its row cannot be read: see make audit")])
        text = document_text(self.bucket, row)
        if text is None:
            again = self.read.store(found.scope).get(row.item_id)
            text = None if again is None else document_text(self.bucket, again)
            if again is None:
                return None
        if text is None:
            return misfit([_error("its document is not in the bucket: see make audit")])
        try:
            self.collection.check_new(json_text.decode(text))
        except InvalidRequest as refusal:
            violations = refusal.violations or (Violation(refusal.detail, "#"),)
            return misfit([_error(each.detail, each.pointer) for each in violations])
        return None


def _error(detail: str, pointer: str = "#") -> dict[str, str]:
    return {"pointer": pointer, "detail": detail}


def main(arguments: list[str] | None = None) -> int:
    """Check one collection of a stage."""
    options = collection_parser("check", __doc__, _EXAMPLES, 100, "documents").parse_args(arguments)
    return run("check", lambda: _command(options))


def _command(options: argparse.Namespace) -> int:
    collection = chosen_collection(options)
    console = LastingConsole(highlight=False, quiet=options.json)
    with one_line_errors():
        stage = open_stage(options.stage)
        documents = documents_of(stage, collection.name, own=collection.own)
        bucket = S3Documents(stage.clients, stage.resource("documents_bucket"))
        summary = check_all(Checker(documents, bucket, collection.checks), options.limit)
    if options.json:
        emit(summary.to_json(collection.name))
    else:
        print_summary(console, collection.name, summary)
    return 1 if summary.invalid else 0


def check_all(checker: Checker, limit: int) -> Summary:
    """Check every document, and keep the first `limit` that do not fit."""
    summary = Summary()
    with documents_bar(checker.collection.name) as advance, ThreadPoolExecutor(THREADS) as pool:
        for page in checker.read.pages():
            for misfit in pool.map(checker.check, page.found):
                summary.documents += 1
                if misfit is not None:
                    summary.invalid += 1
                    summary.listed += [misfit] if len(summary.listed) < limit else []
            advance(page.part, summary.documents)
    return summary


def print_summary(console: Console, collection: str, summary: Summary) -> None:
    """Print a line for each violation, and how many documents do not fit."""
    print_table(console, ("document", "pointer", "detail", "owner"), _rows(summary), "Documents that do not fit")
    if summary.invalid > len(summary.listed):
        console.print(f"only the first {len(summary.listed):,} are listed (--limit)")
    style = "bold red" if summary.invalid else "bold green"
    line = f"{collection}: {summary.documents:,} documents, {summary.invalid:,} do not fit"
    console.print(line, style=style, markup=False, soft_wrap=True)


def _rows(summary: Summary) -> Iterator[tuple[str, str, str, str]]:
    for misfit in summary.listed:
        yield from ((misfit.id, each["pointer"], each["detail"], misfit.owner) for each in misfit.errors)


if __name__ == "__main__":
    sys.exit(main())
