"""`jobpipe import FILE`."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import click

from jobpipe_client.calls import ITEMS
from jobpipe_client.cli.collections import collection_info, with_collection
from jobpipe_client.cli.command import Command, State, pass_state
from jobpipe_client.cli.exits import FAILED, OK
from jobpipe_client.cli.importing.dry_run import Failures, check_rows
from jobpipe_client.cli.importing.failures_file import check_writable, write_failures
from jobpipe_client.cli.importing.journal import Failure, FailuresFile, Journal, Progress
from jobpipe_client.cli.importing.reading.csv_rows import CsvRows
from jobpipe_client.cli.importing.reading.read_options import ReadOptions
from jobpipe_client.cli.importing.reading.rows import Format, Row, read_rows
from jobpipe_client.cli.importing.reading.source import Lines, Source, find_journal, open_source
from jobpipe_client.cli.importing.reading.target import Target
from jobpipe_client.cli.importing.repeated import MAX_REREAD_BYTES, add_equal_lines
from jobpipe_client.cli.importing.report import SHOWN_FAILURES, print_report, progress_bar
from jobpipe_client.cli.importing.rules.schema_limits import unchecked_keywords
from jobpipe_client.cli.importing.run import Import, resume
from jobpipe_client.cli.importing.running import keep_note
from jobpipe_client.many import MAX_COMMANDS

_FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_API_KEY = re.compile(r"([a-z][a-z0-9]{0,62})[RWO]?[0-9a-f]{32}")  # an owner, a role's letter and a secret
_EXAMPLES = """
jobpipe import items.csv --number price --boolean active
jobpipe import items.jsonl --dry-run        # only read it, and report errors by line number
jobpipe import items.csv                    # after Ctrl-C: continues, nothing is sent twice
jobpipe import items.failed.csv             # the rows that had failed, after you have repaired them
jobpipe import orders.csv --collection orders --upsert   # again after each change of the file
jobpipe import commands.jsonl --commands    # lines such as {"operation": "delete", "item_id": "…"}
zcat items.jsonl.gz | jobpipe import - --format jsonl
"""


@click.command("import", cls=Command, examples=_EXAMPLES)
@click.argument("file", metavar="FILE")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), help="If the name of FILE does not show it.")
@with_collection
@click.option("--upsert", is_flag=True, help="Create each row's document, or set its fields if its key exists.")
@click.option("--commands", is_flag=True, help="The lines of JSON are commands in their raw form, not items.")
@click.option("--number", multiple=True, metavar="COLUMN", help="This column of a CSV has numbers.")
@click.option("--boolean", multiple=True, metavar="COLUMN", help="This column has true/false, t/f, yes/no or 1/0.")
@click.option("--json-column", multiple=True, metavar="COLUMN", help="This column has JSON.")
@click.option(
    "--ignore", multiple=True, metavar="COLUMN", help="Leave out this field; '' is a column without a name."
)
@click.option("--null", multiple=True, metavar="CELL", help="Treat this text as an empty cell, such as \\N or NA.")
@click.option("--delimiter", default=",", show_default=True, help="The separator of a CSV; \\t is a tab.")
@click.option("--dry-run", is_flag=True, help="Only read the file, and report what is wrong with it.")
@click.option("--restart", is_flag=True, help="Forget an earlier import of this file and send all rows again.")
@click.option(
    "--failures",
    type=click.Path(path_type=Path),
    help="The file for rows that fail [items.failed.csv for items.csv; in a dry run, none].",
)
@click.option(
    "--batch-size", type=click.IntRange(1, MAX_COMMANDS), default=100, show_default=True, help="Rows per request."
)
@click.option(
    "--concurrency", type=click.IntRange(1, 64), default=16, show_default=True, help="Batches in flight at most."
)
@pass_state
def import_file(
    state: State,
    *,
    file: str,
    form: str | None,
    collection: str,
    upsert: bool,
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
    """Create an item, or a document of a collection, from each row of a CSV or JSON lines file of any size.

    The file is sent in batches while it is read. FILE.jobpipe-import records what was sent: after an
    interruption, the same command continues, and no row takes effect twice. If the file has changed since, it is
    refused; --restart forgets the record.

    CSV: UTF-8, with a header. A column is a field of the item, as text; price:number, active:boolean and tags:json
    in the header, or options, change that. An empty cell leaves the field out; "" is the empty text. With
    --collection the schema says how a column is read, unless the header or an option does.

    With --upsert, a row whose key exists sets the fields of that document, so a changed file can be imported again.

    Rows that cannot be read are reported by line number; all other rows are imported. Rows that could not be read
    or failed are written to a file such as items.failed.csv (or .jsonl), with the line number and the error in
    front, to be repaired and imported.
    """
    kinds = {"number": number, "boolean": boolean, "json": json_column}
    options = ReadOptions(
        format=_format(file, form),
        commands=commands,
        columns={name: kind for kind, names in kinds.items() for name in names},
        ignored=sorted(ignore),
        delimiter=delimiter.replace("\\t", "\t"),
        null=sorted(null),
    )
    options.check()
    target = _target(state, collection, upsert=upsert, commands=commands)
    with ExitStack() as stack:
        source = open_source(file, stack)
        if source.path is None and not dry_run:
            state.output.note("a pipe is read once: this import cannot be resumed")
        lines = source.lines(0, 0, source.size)
        opened = options.open(lines, target)
        if isinstance(opened, CsvRows):
            target.check_names(opened.names, state.output.note)
        if dry_run:
            return _dry_run(state, opened, lines, commands=commands, target=target, failures_file=failures)
        failures_file = failures or _failures_file(source, options.format)
        journal = stack.enter_context(closing(Journal(None if source.path is None else find_journal(source.path))))
        settings = {
            "deployment": state.client.base_url,
            "caller": _caller(state),
            **asdict(options),
            **target.settings(),
            "batch_size": batch_size,
            "size": source.size,
        }
        restart_advice = repeat_advice = "--restart sends all commands again"
        if not commands:
            restart_advice, repeat_advice = target.restart_advice(), target.repeat_advice()
        is_resumed = not restart and resume(
            journal, source, settings, state.client, restart_advice=restart_advice, repeat_advice=repeat_advice
        )
        check_writable(failures_file)
        began = time.monotonic()
        if not is_resumed:
            journal.begin(settings)
        progress = journal.progress
        if progress.finished:
            began_at = f"{journal.began:%Y-%m-%d %H:%M} UTC"
            state.output.note(
                f"{file} was already imported and has not changed: this is the report of the import that began "
                f"{began_at}; {repeat_advice}"
            )
        else:
            if progress.number:
                state.output.note(f"continuing after {progress.rows:,} rows{_describe_open_batches(progress)}")
            else:
                _report_text_columns(state, opened)
            importing = Import(
                client=state.client,
                source=source,
                form=opened,
                lines=lines,
                journal=journal,
                batch_size=batch_size,
                concurrency=concurrency,
                in_order=commands or upsert,
                note=state.output.note,
                restart_advice=restart_advice,
            )
            with keep_note(progress.key, journal.path) as write_rows:
                _run(state, importing, failures_file, write_rows)
        shown: Iterable[Failure] = islice(journal.failures(), SHOWN_FAILURES)
        if source.size is not None and source.size <= MAX_REREAD_BYTES and not commands:

            def read_again() -> Iterator[Row]:
                again = source.lines(0, 0, source.size)
                return read_rows(options.open(again, target), again)

            shown = add_equal_lines(shown, read_again, target, journal.failures)
        print_report(
            state.output,
            progress,
            shown,
            failures_file=_existing_failures_file(progress, failures_file, journal),
            seconds=time.monotonic() - began,
            options=" with --commands" if commands else target.options(),
        )
        return FAILED if progress.failed else OK


def _target(state: State, collection: str, *, upsert: bool, commands: bool) -> Target:
    if commands and (upsert or collection != ITEMS):
        raise click.UsageError("--commands excludes --collection and --upsert: each command names its own")
    if collection == ITEMS and not upsert:
        return Target.for_items()  # the rules of items are known, so a dry run needs no service
    if collection == ITEMS:
        raise click.UsageError("--upsert needs a collection with a key, and items have none")
    return Target.for_collection(collection_info(state, collection), upsert=upsert)


def _dry_run(
    state: State, form: Format, lines: Lines, *, commands: bool, target: Target, failures_file: Path | None
) -> int:
    began = time.monotonic()
    if failures_file is not None:
        check_writable(failures_file)
    _report_text_columns(state, form)
    with closing(Failures()) as failures:
        progress = check_rows(form, lines, failures, commands=commands, target=target)
        written = None if failures_file is None else write_failures(failures_file, form, failures.__iter__, None)
        print_report(
            state.output,
            progress,
            failures,
            failures_file=_path_to_show(written, failures_file) if written and failures_file else None,
            seconds=time.monotonic() - began,
            not_checked=[] if target.info is None else unchecked_keywords(target.info.schema),
        )
    return FAILED if progress.failed else OK


def _run(state: State, importing: Import, failures_file: Path, write_rows: Callable[[int], None]) -> None:
    began = time.monotonic()
    source, journal = importing.source, importing.journal
    try:
        with progress_bar(state.output, journal.progress, source.size) as update:

            def on_rows_ended(ended: int) -> None:
                update(ended)
                write_rows(journal.progress.rows + ended)

            importing.run(on_rows_ended)
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(_describe_interruption(source, journal.progress))
        raise
    try:
        earlier = journal.progress.failures_file
        written = write_failures(failures_file, importing.form, journal.failures, earlier)
    except OSError:  # the report is the only record of a pipe's failed rows
        seconds = time.monotonic() - began
        print_report(state.output, journal.progress, journal.failures(), failures_file=None, seconds=seconds)
        raise
    journal.record_finished(written)
    if written is not None and written.sha256 and Path(written.path) != failures_file.resolve():
        state.output.note(f"{failures_file} is left unchanged, since this import did not write it")


def _existing_failures_file(progress: Progress, failures_file: Path, journal: Journal) -> Path | None:
    """Return the file of failures of a finished import, if it still exists."""
    if progress.failures_file is not None:
        path = _path_to_show(progress.failures_file, failures_file)
    elif any(failure.text is not None for failure in journal.failures()):
        path = failures_file  # an earlier release did not record it
    else:
        return None
    return path if path.exists() else None


def _path_to_show(written: FailuresFile, requested: Path) -> Path:
    """Return the path of the file as the user would write it."""
    path = Path(written.path)
    return requested.with_name(path.name) if path.parent.resolve() == requested.parent.resolve() else path


def _report_text_columns(state: State, form: Format) -> None:
    if isinstance(form, CsvRows):
        form.report_text_columns(state.output.note)


def _describe_interruption(source: Source, progress: Progress) -> str:
    ended = f"{progress.rows:,} rows have ended{_describe_open_batches(progress)}"
    if source.path is None:
        return f"Interrupted. {ended}; an import from a pipe cannot be continued"
    return f"Interrupted. Run the same command to continue; {ended}"


def _describe_open_batches(progress: Progress) -> str:
    """Say how many batches were sent but have no known outcome: some of their rows may be stored."""
    count = len(progress.open)
    return f", and {count:,} more batch{'' if count == 1 else 'es'} may have been stored" if count else ""


def _format(file: str, form: str | None) -> str:
    found = form or _FORMATS.get(Path(file).suffix.lower())
    if found is None:
        raise click.UsageError(f"{file}: is it CSV or JSON lines? Say --format csv or --format jsonl.")
    return found


def _failures_file(source: Source, form: str) -> Path:
    if source.path is None:
        return Path(f"import.failed.{form}")
    is_known = source.path.suffix.lower() in _FORMATS
    return source.path.with_name(f"{source.path.stem if is_known else source.path.name}.failed.{form}")


def _caller(state: State) -> str:
    """Return the owner in the API key, or a hash of the key, since the journal must not contain the key itself."""
    key: str = state.client.transport.api_key
    match = _API_KEY.fullmatch(key)
    return match[1] if match else f"key-{hashlib.sha256(key.encode()).hexdigest()[:32]}"
