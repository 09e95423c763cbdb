"""One import: where an earlier one continues, and the loop that sends the rest of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from jobpipe_client.calls import ITEMS
from jobpipe_client.cli.exits import OperatorError, interrupts_passed_to
from jobpipe_client.cli.importing.journal import KEYS_LAST, Journal
from jobpipe_client.cli.importing.reading.batches import Batch, cut
from jobpipe_client.cli.importing.reading.rows import Format
from jobpipe_client.cli.importing.reading.source import Lines, Source
from jobpipe_client.cli.importing.sender import BatchEnded, PauseMade, Sender, Window
from jobpipe_client.client import Client
from jobpipe_client.exceptions import NotFound
from jobpipe_client.http.transport import LONGEST_RETRY_AFTER

_OF_ITEMS = {"collection": ITEMS, "upsert": False, "fields": None}  # which the journal of such an import omits


class _Differs(OperatorError):
    """The file or a setting is not that of the earlier import."""


def resume(
    journal: Journal,
    source: Source,
    settings: dict[str, object],
    client: Client,
    *,
    restarting: str,
    repeating: str,
) -> bool:
    """Restore the progress of an earlier import of this file; return whether there was one.

    OperatorError if it began with another file or other settings, or if the service has forgotten it; `restarting`
    says what can be done then, and `repeating` what after it has finished. Before upserts, a finished import of
    another file or with other settings does not count.
    """
    header = journal.header()
    if header is None:
        return False
    position = None if source.path is None else source.file.tell()
    try:
        _check_settings(header, settings, source)
        for sent in journal.resume(header):
            start = 0 if sent.number == 0 else sent.start  # the header belongs to the first batch
            if sent.sha256 != source.digest(start, sent.end):
                raise _changed(source)
    except _Differs as difference:
        if not journal.has_finished():
            raise OperatorError(f"{difference}; {restarting}") from None
        # Upserts can be sent again: nothing of the earlier import is on its way any more.
        if settings.get("upsert"):
            if position is not None:
                source.file.seek(position)  # after the header: the digests have read on
            return False
        raise OperatorError(f"{difference}; {repeating}") from None
    check_remembered(journal, client, restarting)
    return True


def _check_settings(header: dict[str, Any], settings: dict[str, object], source: Source) -> None:
    for name, value in {**_OF_ITEMS, **settings}.items():
        before = header.get(name, _OF_ITEMS.get(name))
        if before == value:
            continue
        if name == "fields":
            raise _Differs("the schema of the collection has changed since the import began")
        if name == "size":
            raise _changed(source)
        if name == "caller":  # which is not shown: journals of older releases may have an API key there
            raise _Differs("the import was begun by another caller")
        raise _Differs(f"the import was begun with {name} {before!r}, not {value!r}")


def check_remembered(journal: Journal, client: Client, restarting: str) -> None:
    """Raise OperatorError if the service has forgotten the import: after a time, or on a stage deployed again."""
    progress = journal.progress
    if journal.is_forgotten and not progress.finished:
        raise OperatorError(
            f"the import was begun {journal.began:%Y-%m-%d}, and the service does not remember it for longer "
            f"than {KEYS_LAST.days} days; {restarting}"
        )
    if progress.last_batch is not None and not journal.is_forgotten:
        try:
            client.batch(progress.last_batch)
        except NotFound:
            raise OperatorError(
                f"the stage does not know this import any more: it was deployed anew; {restarting}"
            ) from None


def _changed(source: Source) -> _Differs:
    return _Differs(f"{source.path} has changed since its import began")


@dataclass
class Import:
    """Sends the rows that have not ended, and notes in the journal how each ends."""

    client: Client
    source: Source
    form: Format
    lines: Lines  # after the header
    journal: Journal
    batch_size: int
    concurrency: int
    in_order: bool
    note: Callable[[str], None]
    restarting: str  # what --restart does
    _reported_pauses: set[str] = field(default_factory=set)  # the kinds of those that were reported

    def run(self, on_rows_ended: Callable[[int], None]) -> None:
        """Send every row and wait for its end.

        `on_rows_ended` is called when rows have ended, with the number of those whose batch has not.
        """
        key = self.journal.progress.key
        sender = Sender(
            self.client,
            self.form,
            key,
            name=self.source.name,
            concurrency=self.concurrency,
            in_order=self.in_order,
        )
        window = Window(self.concurrency, self.batch_size)
        ended = 0  # rows in batches that have not ended

        def wait_for_event() -> None:
            nonlocal ended
            event = sender.next_event()
            if isinstance(event, PauseMade):
                self._report_pause(event)
            elif isinstance(event, BatchEnded):
                succeeded = len(event.batch.rows) - len(event.failed)
                number, batch_id = event.batch.number, event.batch_id
                self.journal.done(number, batch_id, succeeded, event.failed, refused=event.refused)
                window.remove_batch(event.unsent, event.seconds)
                ended -= len(event.batch.rows) - event.unsent
                on_rows_ended(ended)
            else:
                window.rows -= 1
                ended += 1
                on_rows_ended(ended)

        # A read from a pipe ends only if the signal's handler itself raises.
        is_pipe = self.source.path is None
        try:
            with nullcontext() if is_pipe else interrupts_passed_to(sender.interrupt):
                for batch in self._batches(sender.check_interrupt):
                    while not window.has_room(len(batch.rows)):
                        wait_for_event()
                    sender.put(batch)
                    window.add_batch(len(batch.rows))
                while window.batches:
                    wait_for_event()
                self._check_source()
        finally:
            sender.stop()

    def _report_pause(self, pause: PauseMade) -> None:
        """Report the first pause, the first long one, as that of a spent quota, and the first outage."""
        seconds, error = pause.requested, pause.error
        kind = "outage" if seconds is None else "long" if seconds > LONGEST_RETRY_AFTER else "short"
        if kind in self._reported_pauses:
            return
        self._reported_pauses.add(kind)
        if seconds is None:
            self.note(f"the service does not answer ({error}): the import tries again for a minute")
        else:
            self.note(f"the service asks for pauses ({error}): the import makes them, this one of {seconds:,.0f} s")

    def _batches(self, check_interrupt: Callable[[], None]) -> Iterator[Batch]:
        """Yield the batches that may have been sent, unchanged, and then the rest of the file."""
        progress = self.journal.progress
        for sent in list(progress.open.values()):
            lines = self.source.lines(sent.start, sent.line, sent.end)
            lines.check_interrupt = check_interrupt
            batch = next(cut(self.form, lines, number=sent.number, max_rows=self.batch_size), None)
            if batch is None or batch.sha256 != sent.sha256:
                raise OperatorError(f"{_changed(self.source)}; {self.restarting}")
            yield batch
        lines = self.lines
        if progress.offset is not None:
            lines = self.source.lines(progress.offset, progress.line, self.source.size)
        lines.check_interrupt = check_interrupt
        for batch in cut(self.form, lines, number=progress.number, max_rows=self.batch_size):
            self._check_source()
            self.journal.sent(batch)
            yield batch

    def _check_source(self) -> None:
        if self.source.has_changed():
            raise OperatorError(
                f"{self.source.path} was changed while it was imported; {self.journal.progress.rows:,} rows had "
                f"ended. Put it back as it was, and the same command continues; {self.restarting}"
            )
