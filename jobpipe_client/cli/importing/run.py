"""One import, from where it is to its end."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from jobpipe_client.cli.exits import OperatorError, interrupts_passed_to
from jobpipe_client.cli.files.atomic_file import atomic_file
from jobpipe_client.cli.files.pipes import is_pipe
from jobpipe_client.cli.importing.batches import Batch, cut, whole
from jobpipe_client.cli.importing.journal import Failure, Journal, Progress, Sent
from jobpipe_client.cli.importing.lines import Lines
from jobpipe_client.cli.importing.rows import LINE, Format
from jobpipe_client.cli.importing.sender import Asked, Ended, Sender
from jobpipe_client.cli.importing.source import Source
from jobpipe_client.client import Client
from jobpipe_client.exceptions import NotFound, ProblemError
from jobpipe_client.transport import LONGEST_RETRY_AFTER

_SHORT, _LONG = 4.0, 12.0  # seconds of a batch
_FEWEST = 4


def resumed(journal: Journal, source: Source, about: dict[str, object]) -> Progress | None:
    """How far an earlier import of this file is; None if there was none. OperatorError if it cannot go on here."""
    header = journal.header()
    if header is None:
        return None
    for name, value in about.items():
        if header.get(name) != value and name == "caller":  # unnamed: an older journal may have a key there
            raise OperatorError("the import was begun by another caller; --restart sends all rows again")
        if header.get(name) != value and name != "size":
            raise OperatorError(
                f"the import was begun with {name} {header.get(name)!r}, not {value!r}; "
                "--restart sends all rows again"
            )
    if header.get("size") != source.size:
        raise _changed(source)
    progress = Progress()
    for found in journal.resume(header):
        if isinstance(found, Progress):
            progress = found
        elif found.sha256 != source.fingerprint(_compared_from(found), found.end):
            raise _changed(source)
    return progress


def _changed(source: Source) -> OperatorError:
    return OperatorError(f"{source.path} has changed since its import began; --restart sends all rows again")


def check_known(client: Client, progress: Progress) -> None:
    """OperatorError if the stage has forgotten what was sent: destroyed, and deployed anew under the same URL."""
    if progress.last_batch is not None and progress.is_remembered:
        try:
            client.batch(progress.last_batch)
        except NotFound:
            raise OperatorError(
                "the stage does not know this import any more: it was deployed anew; --restart sends all rows again"
            ) from None


def _compared_from(sent: Sent) -> int:
    return 0 if sent.number == 0 else sent.start  # the header belongs to the first one


@dataclass
class Window:
    """What is under way: enough to keep the service busy, and no more.

    It counts rows, since the service works on several batches at a time: were room made by whole batches only,
    they would end together and leave it with nothing to do until that is seen. And the longer a batch waits its
    turn, the less often the service wants to be asked for it.
    """

    most: int  # batches
    batch_size: int
    size: int = _FEWEST  # in full batches
    batches: int = 0  # that have rows under way
    rows: int = 0  # that have not ended

    def __post_init__(self) -> None:
        self.size = min(self.size, self.most)

    def has_room(self, rows: int) -> bool:
        """Whether a batch of so many rows can be sent."""
        is_idle = self.rows == 0
        return self.batches < self.most and (is_idle or self.rows + rows <= self.size * self.batch_size)

    def put(self, rows: int) -> None:
        """A batch of so many rows was sent."""
        self.batches += 1
        self.rows += rows

    def settled(self, unsent: int, seconds: float) -> None:
        """A batch has ended, so long after its first request; `rows` has only its unsent ones still."""
        self.batches -= 1
        self.rows -= unsent
        if seconds < _SHORT:
            self.size = min(self.size + 1, self.most)
        elif seconds > _LONG:
            self.size = max(self.size - 1, min(_FEWEST, self.most))


@dataclass
class Import:
    """Sends what is not done yet and notes what becomes of it."""

    client: Client
    source: Source
    form: Format
    journal: Journal
    progress: Progress
    first: Lines  # where a new import begins: behind the header
    batch_size: int
    concurrency: int
    in_order: bool
    note: Callable[[str], None]  # one line for people
    told_pauses: set[bool] = field(default_factory=set)  # short and long ones

    def run(self, on_settled: Callable[[], None]) -> None:
        """Until every row has ended."""
        sender = Sender(
            self.client, self.form, self.progress.key, concurrency=self.concurrency, in_order=self.in_order
        )
        window = Window(self.concurrency, self.batch_size)

        def settle() -> None:
            event = sender.next_event()
            if isinstance(event, Ended):
                window.rows -= event.rows
                return
            if isinstance(event, Asked):
                self._tell_pause(event.error)
                return
            self.journal.done(self.progress, event.batch.number, event.batch_id, event.succeeded, event.failed)
            window.settled(event.unsent, event.seconds)
            on_settled()

        # Who waits for a pipe has to be woken by the exception itself.
        told = nullcontext() if self.source.path is None else interrupts_passed_to(sender.interrupt)
        try:
            with told:
                for batch in self._batches(sender.check):
                    while not window.has_room(len(batch.rows)):
                        settle()
                    sender.put(batch)
                    window.put(len(batch.rows))
                while window.batches:
                    settle()
                self._check_source()
        finally:
            sender.stop()

    def _tell_pause(self, error: ProblemError) -> None:
        """Once; and once more if it is long, as that of a spent quota is."""
        seconds = error.retry_after or 0.0
        is_long = seconds > LONGEST_RETRY_AFTER
        if is_long not in self.told_pauses:
            self.told_pauses.add(is_long)
            self.note(f"the service asks for pauses ({error}): the import makes them, this one of {seconds:,.0f} s")

    def _batches(self, check: Callable[[], None]) -> Iterator[Batch]:
        """Those that may have been sent as they were, then the rest of the file, each noted before it is used."""
        for sent in list(self.progress.open.values()):
            start, line = (self.form.start, self.first.number) if sent.number == 0 else (sent.start, sent.line)
            again = self.source.lines(start, line, sent.end)
            again.check = check
            batch = whole(self.form, again, sent.number)
            if batch.sha256 != sent.sha256:
                raise _changed(self.source)
            yield batch
        lines = self.first
        if self.progress.offset is not None:
            lines = self.source.lines(self.progress.offset, self.progress.line, self.source.size)
        elif self.source.path is not None:
            lines = self.source.lines(self.form.start, self.first.number, self.source.size)
        lines.check = check
        for batch in cut(self.form, lines, number=self.progress.number, most_rows=self.batch_size):
            self._check_source()
            sent = Sent(batch.number, batch.start, batch.end, batch.line, batch.sha256)
            self.journal.sent(self.progress, sent, batch.last)
            yield batch

    def _check_source(self) -> None:
        if self.source.has_changed():
            raise OperatorError(
                f"{self.source.path} was changed while it was imported; {self.progress.rows:,} rows had ended. Put "
                "it back as it was, and the same command continues; --restart sends all rows again"
            )


def check_folder(failures: Path) -> None:
    """OperatorError if the file of failures could not be written: better known before anything is sent."""
    if is_pipe(failures):
        return
    folder = failures.parent
    if not folder.is_dir():
        raise OperatorError(f"{failures} cannot be written: {folder} is no folder")
    if not os.access(folder, os.W_OK):
        raise OperatorError(f"{failures} cannot be written: {folder} is read-only")


def write_failures(path: Path, form: Format, failures: Iterator[Failure], source: Path | None) -> bool:
    """Whether there are any: the file is made at once, and only for some. That of an earlier import goes."""
    first = next((each for each in failures if each.text is not None), None)
    if first is None:
        _forget(path, source)
        return False
    with atomic_file(path) as file:
        header = form.failed_header()
        if header is not None:
            file.write(_line(header))
        file.write(_line(first.text))
        for each in failures:
            file.write(_line(each.text))
    return True


def _forget(path: Path, source: Path | None) -> None:
    """Removes a file of failures, unless it is what was imported."""
    if not path.is_file() or is_pipe(path) or (source is not None and path.samefile(source)):
        return
    with path.open("rb") as file:
        begin = file.read(64).removeprefix(codecs.BOM_UTF8)
    if begin.lstrip(b'{"').startswith(LINE.encode()):
        path.unlink()


def _line(text: str | None) -> bytes:
    return b"" if text is None else f"{text}\n".encode("utf-8", "surrogateescape")
