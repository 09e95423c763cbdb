"""The running batches of the caller's latest jobs. All batches of one import or `submit_many` are one `Sending`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from jobpipe_client.batch_models import Batch
from jobpipe_client.cli.pace import Pace
from jobpipe_client.cli.watching.sending import Sending
from jobpipe_client.client import Client
from jobpipe_client.exceptions import NotFound
from jobpipe_client.models import Job

_READ_AT_ONCE = 4  # batches
_MOST_KNOWN = 10_000
_ANOTHER_WITHIN = 15.0  # seconds in which an import may send another batch
_ENDED_SHOWN = 60.0  # seconds
_KEY_OF_SEVERAL = re.compile(r"(import-[0-9a-f]{24}|[0-9a-f]{8}-[0-9a-f-]{27})-(\d+)(?:-\d+)?[ab]*")
_SHOWN_OF_KEY = 8  # characters


@dataclass
class _Sent:
    """The batches of one import or of one call of `submit_many`, or a single batch."""

    id: str
    is_several: bool
    last_sent: float  # when the last known batch was accepted
    name: str | None = None  # the name of the batches
    highest: int = 0  # the highest number of a batch
    ended_at: float | None = None
    ended_batches: int = 0
    ended: Counter[str] = field(default_factory=Counter)  # the commands of the ended batches, by status
    open: dict[str, Batch] = field(default_factory=dict)
    pace: Pace = field(default_factory=Pace)

    def counts(self) -> Counter[str]:
        return sum((Counter(batch.counts) for batch in self.open.values()), Counter(self.ended))


class SentBatches:
    """The known batches that run or have just ended."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, None] = {}  # the ids of batches; the oldest are forgotten
        self._unread: list[str] = []
        self._sent: dict[str, _Sent] = {}
        self._sending_ids: dict[str, str] = {}  # by the id of each open batch
        self._left_out: set[str] = set()

    def has_open(self) -> bool:
        """Return whether a batch is still to be read."""
        return bool(self._unread or self._sending_ids)

    def note(self, jobs: Iterable[Job], now: float) -> None:
        """Note the batches of these jobs, unless they ended a while ago."""
        for job in jobs:
            batch_id = job.links.get("batch", "").rpartition("/")[2]
            if not batch_id or batch_id in self._known:
                continue
            if not job.done or job.updated_at.timestamp() > now - _ANOTHER_WITHIN:
                self._known[batch_id] = None
                self._unread.append(batch_id)
        while len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]

    def leave_out(self, ids: Iterable[str]) -> None:
        """Ignore these imports from now on, since their journals have more information."""
        self._left_out.update(ids)
        for sending_id in self._left_out & self._sent.keys():
            for batch_id in self._sent.pop(sending_id).open:
                del self._sending_ids[batch_id]

    def read(self, now: float) -> None:
        """Read some of the unfinished batches, the new batches first."""
        for batch_id in [*self._unread, *self._sending_ids][:_READ_AT_ONCE]:
            try:
                batch = self._client.batch(batch_id)
            except NotFound:  # it has expired
                batch = None
            if batch_id in self._unread:
                self._unread.remove(batch_id)
            sending_id = self._sending_ids.pop(batch_id, None)  # a batch that is still open is added at the end
            if batch is not None:
                self._apply(batch, now)
            elif sending_id is not None:
                del self._sent[sending_id].open[batch_id]
        for each in list(self._sent.values()):
            self._settle(each, now)

    def sendings(self, now: float) -> list[Sending]:
        """Return what runs or has just ended, with the latest last."""
        found = sorted(self._sent.values(), key=lambda each: each.last_sent)
        return [_to_sending(each, now) for each in found]

    def _apply(self, batch: Batch, now: float) -> None:
        match = _KEY_OF_SEVERAL.fullmatch(batch.idempotency_key or "")
        sending_id = match[1] if match else batch.id
        if sending_id in self._left_out:
            return
        sent_at = batch.created_at.timestamp()
        sent = self._sent.setdefault(sending_id, _Sent(sending_id, match is not None, sent_at))
        sent.last_sent = max(sent.last_sent, sent_at)
        sent.highest = max(sent.highest, int(match[2]) if match else 0)
        sent.name = batch.name or sent.name
        sent.ended_at = None
        sent.open.pop(batch.id, None)
        if batch.done:
            sent.ended_batches += 1
            sent.ended.update(batch.counts)
        else:
            sent.open[batch.id] = batch
            self._sending_ids[batch.id] = sending_id
        sent.pace.note(now, _count_ended(sent.counts()))

    def _settle(self, sent: _Sent, now: float) -> None:
        may_go_on = sent.is_several and now - sent.last_sent < _ANOTHER_WITHIN
        if sent.ended_at is None and not sent.open and not may_go_on:
            sent.ended_at = now
        if sent.ended_at is not None and now - sent.ended_at > _ENDED_SHOWN:
            del self._sent[sent.id]


def _count_ended(counts: Counter[str]) -> int:
    return counts.total() - counts["scheduled"] - counts["queued"] - counts["retrying"]


def _to_sending(sent: _Sent, now: float) -> Sending:
    counts = sent.counts()
    known, number = sent.ended_batches + len(sent.open), sent.highest + 1
    size, ended = counts.total(), _count_ended(counts)
    is_import = sent.id.startswith("import-")
    name, part = sent.id, ""
    if sent.is_several:
        kind, key = ("import", sent.id.removeprefix("import-")) if is_import else ("batches", sent.id)
        name = f"{kind} {key[:_SHOWN_OF_KEY]}"
        part = " sent so far" if known >= number else f" in {known:,} of its {number:,} batches"
    can_tell = not sent.is_several and sent.ended_at is None and not counts["scheduled"]
    return Sending(
        id=sent.id,
        name=sent.name or name,
        unit="row" if is_import else "command",
        ended=ended,
        size=size,
        part=part,
        failed=counts["failed"],
        refused=counts["refused"],
        cancelled=counts["cancelled"],
        state="running" if sent.ended_at is None else "ended",
        seconds_left=sent.pace.seconds_for(size - ended, now) if can_tell else None,
    )
