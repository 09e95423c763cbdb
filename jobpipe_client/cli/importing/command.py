"""`jobpipe import FILE`."""

from __future__ import annotations

import hashlib
import re
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import click

from jobpipe_client.cli.command import Command, State, pass_state
from jobpipe_client.cli.exits import FAILED, OK
from jobpipe_client.cli.importing.batches import MOST_ROWS
from jobpipe_client.cli.importing.csv_rows import CsvRows
from jobpipe_client.cli.importing.dry_run import dry_run as read_only
from jobpipe_client.cli.importing.item_rules import NEEDED
from jobpipe_client.cli.importing.journal import Journal, Progress
from jobpipe_client.cli.importing.jsonl import JsonLines
from jobpipe_client.cli.importing.lines import Lines
from jobpipe_client.cli.importing.report import progress_bar, told
from jobpipe_client.cli.importing.rows import Format
from jobpipe_client.cli.importing.run import Import, check_folder, check_known, resumed, write_failures
from jobpipe_client.cli.importing.source import Source, journal_of, open_source

_ENDINGS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_KEY = re.compile(r"([a-z][a-z0-9]{0,62})[0-9a-f]{32}")  # an owner, and the secret
_EXAMPLES = """
jobpipe import items.csv --number price --boolean active
jobpipe import items.jsonl --dry-run        # only read it, and say what is wrong by line number
jobpipe import items.csv                    # after Ctrl-C: goes on, nothing is sent twice
jobpipe import items.failed.csv             # what had failed, after it was repaired
jobpipe import commands.jsonl --commands    # lines such as {"operation": "delete", "item_id": "…"}
zcat items.jsonl.gz | jobpipe import - --format jsonl
"""


@dataclass(frozen=True, slots=True)
class Options:
    """How the file is to be read."""

    format: str
    commands: bool
    kinds: dict[str, str]
    ignored: list[str]
    delimiter: str
    nulls: list[str]

    def about(self) -> dict[str, object]:
        """What an import that goes on must have been begun with."""
        return {
            "format": self.format,
            "commands": self.commands,
            "columns": self.kinds,
            "ignored": self.ignored,
            "delimiter": self.delimiter,
            "null": self.nulls,
        }

    def open(self, lines: Lines) -> Format:
        """The format, for a file that begins there."""
        if self.format == "jsonl":
            return JsonLines(lines, commands=self.commands, ignored=self.ignored)
        return CsvRows(
            lines,
            delimiter=self.delimiter,
            kinds=self.kinds,
            ignored=self.ignored,
            nulls=self.nulls,
            needed=NEEDED,
        )


@click.command("import", cls=Command, examples=_EXAMPLES)
@click.argument("file", metavar="FILE")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), help="Where FILE's ending does not tell.")
@click.option("--commands", is_flag=True, help="The lines of JSON are commands in their raw form, not items.")
@click.option("--number", multiple=True, metavar="COLUMN", help="This column of a CSV has numbers.")
@click.option(
    "--boolean", multiple=True, metavar="COLUMN", help="This column has booleans: true, false, t, f, yes, no, 1, 0."
)
@click.option("--json-column", multiple=True, metavar="COLUMN", help="This one has JSON.")
@click.option(
    "--ignore",
    multiple=True,
    metavar="COLUMN",
    help="Leave out this column or member; '' is a column without a name.",
)
@click.option("--null", multiple=True, metavar="CELL", help="Treat this text as an empty cell, such as \\N or NA.")
@click.option("--delimiter", default=",", show_default=True, help="Between the cells of a CSV; \\t is a tab.")
@click.option("--dry-run", is_flag=True, help="Only read the file, and say what is wrong with it.")
@click.option("--restart", is_flag=True, help="Forget an earlier import of this file and send all rows again.")
@click.option("--failures", type=click.Path(path_type=Path), help="The file for rows that fail [FILE.failed.csv].")
@click.option(
    "--batch-size", type=click.IntRange(1, MOST_ROWS), default=MOST_ROWS, show_default=True, help="Rows a request."
)
@click.option(
    "--concurrency", type=click.IntRange(1, 64), default=16, show_default=True, help="Batches under way at most."
)
@pass_state
def import_file(
    state: State,
    *,
    file: str,
    form: str | None,
    commands: bool,
    number: tuple[str, ...],
    boolean: tuple[str, ...],
    json_column: tuple[str, ...],
    ignore: tuple[str, ...],
    null: tuple[str, ...],
    delimiter: str,
    dry_run: bool,
    restart: bool,
    failures: Path | None,
    batch_size: int,
    concurrency: int,
) -> int:
    """Create an item from each row of a CSV, or each line of JSON, of any size.

    The file is read while it is sent, in batches. What has been sent is noted in FILE.jobpipe-import: the same
    command goes on after whatever ended it, and no row takes effect twice. A file that has changed since is
    refused; --restart forgets the notes.

    CSV: UTF-8, with a header. A column is a field of the item, as text; price:number, active:boolean and tags:json
    in the header, or options, change that. An empty cell leaves the field out; "" is the empty text.

    Rows that cannot be read are told by line number, and the rest goes on. They and those that the service refused
    are written to FILE.failed.csv (or .jsonl) with their line and error in front, to be repaired and imported.
    """
    kinds = {
        name: kind
        for kind, names in (("number", number), ("boolean", boolean), ("json", json_column))
        for name in names
    }
    options = Options(
        _format(file, form), commands, kinds, sorted(ignore), delimiter.replace("\\t", "\t"), sorted(null)
    )
    _check(options)
    with ExitStack() as stack:
        source = open_source(file, stack)
        if source.path is None and not dry_run:
            state.output.note("a pipe is read once: this import cannot be resumed")
        first = Lines(source.file, end=source.size)
        opened = options.open(first)
        if dry_run:
            began = time.monotonic()
            if isinstance(opened, CsvRows):
                opened.watch(state.output.note)
            found, first_failures = read_only(opened, first, commands=commands)
            seconds = time.monotonic() - began
            told(state.output, found, first_failures, file=None, seconds=seconds, dry=True)
            return FAILED if found.failed else OK
        journal = stack.enter_context(closing(Journal(None if source.path is None else journal_of(source.path))))
        about = {
            "deployment": state.client.base_url,
            "caller": _caller(state),
            **options.about(),
            "batch_size": batch_size,
            "size": source.size,
        }
        progress = None if restart else resumed(journal, source, about)
        target = failures or _failures_file(source, options)
        check_folder(target)
        began = time.monotonic()
        if progress is not None:
            check_known(state.client, progress)
        if progress is not None and progress.finished:
            state.output.note(f"{file} was imported already; --restart imports it again")
        else:
            if progress is not None and progress.number:
                state.output.note(f"going on after {progress.rows:,} rows")
            elif isinstance(opened, CsvRows):
                opened.watch(state.output.note)
            progress = progress or journal.begin(about)
            work = Import(
                client=state.client,
                source=source,
                form=opened,
                journal=journal,
                progress=progress,
                first=first,
                batch_size=batch_size,
                concurrency=concurrency,
                in_order=commands,
                note=state.output.note,
            )
            try:
                with progress_bar(state.output, progress, source.size) as show:
                    work.run(show)
            except KeyboardInterrupt as interrupt:
                interrupt.add_note(_interrupted(source, progress))
                raise
            try:
                write_failures(target, opened, journal.failures(), source.path)
            except OSError:  # a pipe's rows are nowhere else
                told(state.output, progress, journal.failures(), file=None, seconds=time.monotonic() - began)
                raise
            journal.finished(progress)
        seconds = time.monotonic() - began
        there = target if any(each.text is not None for each in journal.failures()) else None
        told(state.output, progress, journal.failures(), file=there, seconds=seconds, commands=commands)
        return FAILED if progress.failed else OK


def _interrupted(source: Source, progress: Progress) -> str:
    ended = f"{progress.rows:,} rows have ended"
    if source.path is None:
        return f"Interrupted. {ended}; an import from a pipe cannot be continued"
    return f"Interrupted. Run the same command to continue; {ended}"


def _format(file: str, form: str | None) -> str:
    found = form or _ENDINGS.get(Path(file).suffix.lower())
    if found is None:
        raise click.UsageError(f"{file}: is it CSV or JSON lines? Say --format csv or --format jsonl.")
    return found


def _check(options: Options) -> None:
    if options.format == "jsonl" and options.kinds:
        raise click.UsageError("--number, --boolean and --json-column are for CSV: JSON has types of its own.")
    if options.format == "jsonl" and options.nulls:
        raise click.UsageError("--null is for CSV: JSON has null.")
    if options.format == "csv" and options.commands:
        raise click.UsageError("--commands is for JSON lines.")
    if len(options.delimiter) != 1 or options.delimiter in '"\r\n':
        raise click.UsageError("--delimiter is one character, and neither a quotation mark nor the end of a line.")


def _failures_file(source: Source, options: Options) -> Path:
    ending = f".failed.{options.format}"
    if source.path is None:
        return Path(f"import{ending}")
    known = source.path.suffix.lower() in _ENDINGS
    return source.path.with_name((source.path.stem if known else source.path.name) + ending)


def _caller(state: State) -> str:
    """Whose keys and jobs they are: a rotated key is the same caller's. Told as the service tells it, for a journal
    must have no key, and a key in another form than `make keys` gives is a caller of its own.
    """
    key: str = state.client.transport.api_key
    match = _KEY.fullmatch(key)
    return match[1] if match else f"key-{hashlib.sha256(key.encode()).hexdigest()[:32]}"
