"""One import: how it continues an earlier import, and the loop that sends the rest of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from jobpipe_client.calls import ITEMS
from jobpipe_client.cli.exits import OperatorError, pass_interrupts_to
from jobpipe_client.cli.importing.journal import KEY_LIFETIME, Journal
from jobpipe_client.cli.importing.reading.batches import Batch, split_into_batches
from jobpipe_client.cli.importing.reading.rows import Format
from jobpipe_client.cli.importing.reading.source import Lines, Source
from jobpipe_client.cli.importing.sender import BatchEnded, Pause, Sender, Window
from jobpipe_client.client import Client
from jobpipe_client.exceptions import NotFound
from jobpipe_client.http.transport import LONGEST_RETRY_AFTER

_ITEM_SETTINGS = {
    "collection": ITEMS,
    "upsert": False,
    "fields": None,
}  # a journal omits these defaults


class _Mismatch(OperatorError):
    """The file or a setting differs from the earlier import."""


def resume(
    journal: Journal,
    source: Source,
    settings: dict[str, object],
    client: Client,
    *,
    restart_advice: str,
    repeat_advice: str,
) -> bool:
    """Restore the progress of an earlier import of this file. Return whether there was one.

    Raise OperatorError if the earlier import had another file or other settings, or if the service forgot it. The
    error ends with `restart_advice`, or with `repeat_advice` if the earlier import has finished. An import of
    upserts ignores a finished import of another file or with other settings.
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
                raise _changed_error(source)
    except _Mismatch as difference:
        if not journal.has_finished():
            raise OperatorError(f"{difference}; {restart_advice}") from None
        # Upserts can be sent again, since no command of the earlier import is still in flight.
        if settings.get("upsert"):
            if position is not None:
                source.file.seek(position)  # back to the end of the header, since the digests have read further
            return False
        raise OperatorError(f"{difference}; {repeat_advice}") from None
    check_known(journal, client, restart_advice)
    return True


def _check_settings(header: dict[str, Any], settings: dict[str, object], source: Source) -> None:
    for name, value in {**_ITEM_SETTINGS, **settings}.items():
        before = header.get(name, _ITEM_SETTINGS.get(name))
        if before == value:
            continue
        if name == "fields":
            raise _Mismatch("the schema of the collection has changed since the import began")
        if name == "size":
            raise _changed_error(source)
        if name == "caller":  # not shown, since journals of older releases may contain an API key here
            raise _Mismatch("the import was begun by another caller")
        raise _Mismatch(f"the import was begun with {name} {before!r}, not {value!r}")


def check_known(journal: Journal, client: Client, restart_advice: str) -> None:
    """Raise OperatorError if the service has forgotten the import: after some weeks, or on a redeployed stage."""
    progress = journal.progress
    if journal.is_forgotten and not progress.finished:
        raise OperatorError(
            f"the import was begun {journal.began:%Y-%m-%d}, and the service remembers it for only "
            f"{KEY_LIFETIME.days} days; {restart_advice}"
        )
    if progress.last_batch is not None and not journal.is_forgotten:
        try:
            client.batch(progress.last_batch)
        except NotFound:
            raise OperatorError(
                f"the stage no longer knows this import, since it was deployed anew; {restart_advice}"
            ) from None


def _changed_error(source: Source) -> _Mismatch:
    return _Mismatch(f"{source.path} has changed since its import began")


@dataclass
class Import:
    """Sends the rows that have not ended, and records in the journal how each row ends."""

    client: Client
    source: Source
    form: Format
    lines: Lines  # after the header
    journal: Journal
    batch_size: int
    concurrency: int
    in_order: bool
    note: Callable[[str], None]
    restart_advice: str  # what --restart does
    _reported_pauses: set[str] = field(default_factory=set)  # the kinds of pauses that were reported

    def run(self, on_rows_ended: Callable[[int], None]) -> None:
        """Send every row and wait for its end.

        `on_rows_ended` is called when rows have ended, with the number of ended rows in unfinished batches.
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
        ended = 0  # rows in unfinished batches

        def wait_for_event() -> None:
            nonlocal ended
            event = sender.next_event()
            if isinstance(event, Pause):
                self._report_pause(event)
            elif isinstance(event, BatchEnded):
                succeeded = len(event.batch.rows) - len(event.failed)
                number, batch_id = event.batch.number, event.batch_id
                self.journal.record_done(number, batch_id, succeeded, event.failed, refused=event.refused)
                window.remove_batch(event.unsent, event.seconds)
                ended -= len(event.batch.rows) - event.unsent
                on_rows_ended(ended)
            else:
                window.rows -= 1
                ended += 1
                on_rows_ended(ended)

        # Only an exception in the signal handler itself interrupts a read from a pipe.
        is_pipe = self.source.path is None
        try:
            with nullcontext() if is_pipe else pass_interrupts_to(sender.interrupt):
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

    def _report_pause(self, pause: Pause) -> None:
        """Report the first pause, the first long pause (as for an exhausted quota), and the first outage."""
        seconds, error = pause.requested, pause.error
        kind = "outage" if seconds is None else "long" if seconds > LONGEST_RETRY_AFTER else "short"
        if kind in self._reported_pauses:
            return
        self._reported_pauses.add(kind)
        if seconds is None:
            self.note(f"the service does not respond ({error}): the import keeps trying for a minute")
        else:
            self.note(f"the service asks for pauses ({error}): the import pauses, now for {seconds:,.0f} s")

    def _batches(self, check_interrupt: Callable[[], None]) -> Iterator[Batch]:
        """Yield the batches that may have been sent, unchanged, and then the rest of the file."""
        progress = self.journal.progress
        for sent in list(progress.open.values()):
            lines = self.source.lines(sent.start, sent.line, sent.end)
            lines.check_interrupt = check_interrupt
            batches = split_into_batches(self.form, lines, number=sent.number, max_rows=self.batch_size)
            batch = next(batches, None)
            if batch is None or batch.sha256 != sent.sha256:
                raise OperatorError(f"{_changed_error(self.source)}; {self.restart_advice}")
            yield batch
        lines = self.lines
        if progress.offset is not None:
            lines = self.source.lines(progress.offset, progress.line, self.source.size)
        lines.check_interrupt = check_interrupt
        for batch in split_into_batches(self.form, lines, number=progress.number, max_rows=self.batch_size):
            self._check_source()
            self.journal.record_sent(batch)
            yield batch

    def _check_source(self) -> None:
        if self.source.has_changed():
            raise OperatorError(
                f"{self.source.path} was changed while it was being imported; {self.journal.progress.rows:,} rows "
                f"had ended. If you restore the file, the same command continues; {self.restart_advice}"
            )
