"""The requests of callers in random histories: commands with times, alone and in batches, cancels and retries."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.commands.command import fingerprint
from jobpipe.domain.commands.command_parsing import parse_command
from jobpipe.domain.errors import Refusal
from jobpipe.domain.jobs.job import Status
from tests.faults.histories.history_stage import HistoryStage, in_requests
from tests.faults.histories.random_commands import LARGE, LONG, Sent, fields, keys, names, owners
from tests.helpers.unreliable import Fault

Times = tuple[float | None, float | None]  # seconds until not_before and not_after
times: st.SearchStrategy[Times] = st.tuples(
    st.none() | st.sampled_from([-3600, 0.4, 3, 50, 100, 300, 3600, 3 * 86400]),
    st.none() | st.none() | st.sampled_from([1, 60, 200, 7200, 6 * 86400]),
)
CHANGES: dict[str, dict[str, Any] | None] = {
    "small": {"x": 1},
    "long": {"x": LONG},
    "large": {"y": LARGE},
    "renamed": {"name": "tent"},
    "renamed again": {"name": "lamp"},
    "deleted": None,
}
changes = st.sampled_from([*CHANGES])
batches = st.lists(st.tuples(st.integers(0, 7), changes, times), min_size=1, max_size=5)


class HistoryCallers(HistoryStage):
    """Callers of the stage."""

    def send(self, sent: Sent, planned: list[Fault], owner: str, key: str | None) -> None:
        earlier = self.by_key.get((owner, key)) if key is not None else None
        live = earlier is not None and self.job_of(owner, str(key)) is not None
        rows = len(self.pipeline.jobs.rows)
        self.pendings.append({"": sent})
        answer = self.ask(sent.method, sent.target, sent.sent_body, planned, owner, key)
        self.pendings.pop()
        if answer is not None and answer.status in (400, 422):
            # A new command may have a limit that has passed; a key may be that of another command.
            assert live or answer.status == 400
            assert earlier is None or not live or not self.is_same(sent, earlier)
            assert self.interleaved.acted or len(self.pipeline.jobs.rows) == rows
            return
        assert answer is None or answer.status in (202, 503), answer.text
        if answer is not None and answer.status == 202:
            is_other = live and earlier is not None and not self.is_same(sent, earlier)
            assert not is_other, "another command under the key of a live job"
            self.accepted.add(answer.json["id"])
            self.remember(sent, answer.json["item_id"])
        if key is not None and not live and self.job_of(owner, key) is not None:
            self.by_key[owner, key] = sent

    def is_same(self, one: Sent, other: Sent) -> bool:
        """Return whether these are the same command; either may be in its raw form."""

        def identity(sent: Sent) -> Any:
            raw = sent.raw or {}
            item_id = raw.get("item_id") if raw else sent.target.removeprefix("/items").removeprefix("/") or None
            return sent.operation, sent.body, item_id, raw.get("not_before"), raw.get("not_after")

        return bool(identity(one) == identity(other))

    def timed(self, sent: Sent, before: float | None, after: float | None) -> Sent:
        """Return the command in its raw form, with times that are so many seconds ahead."""
        times = {"not_before": before, "not_after": after}
        stamps = {
            member: rfc3339(self.clock.now + timedelta(seconds=seconds))
            for member, seconds in times.items()
            if seconds is not None
        }
        raw = {**(sent.raw or {}), **stamps}
        return replace(sent, method="POST", target="/jobs", raw=raw)

    def new_item(self, name: str, more: dict[str, Any]) -> Sent:
        body = {"name": name, "description": "d", **more}
        return Sent("create", body, "POST", "/jobs", raw={"operation": "create", "item": body})

    def change_of(self, pick: int, name: str) -> Sent:
        """Return a command that changes or deletes an item."""
        change = CHANGES[name]
        item_id = self.ids[pick % len(self.ids)]
        if change is None:
            return Sent("delete", {}, "POST", "/jobs", raw={"operation": "delete", "item_id": item_id})
        raw = {"operation": "update", "item_id": item_id, "merge": change}
        return Sent("merge", change, "POST", "/jobs", raw=raw)

    @rule(name=names, more=fields, times=times, owner=owners, key=keys, planned=in_requests)
    def create_in_time(
        self, name: str, more: dict[str, Any], times: Times, owner: str, key: str | None, planned: list[Fault]
    ) -> None:
        self.send(self.timed(self.new_item(name, more), *times), planned, owner, key)

    @rule(pick=st.integers(0, 5), change=changes, times=times, owner=owners, key=keys, planned=in_requests)
    def change_in_time(
        self, pick: int, change: str, times: Times, owner: str, key: str | None, planned: list[Fault]
    ) -> None:
        self.send(self.timed(self.change_of(pick, change), *times), planned, owner, key)

    @rule(commands=batches, alike=st.booleans(), owner=owners, key=keys, planned=in_requests)
    def send_batch(
        self, commands: list[tuple[int, str, Times]], alike: bool, owner: str, key: str | None, planned: list[Fault]
    ) -> None:
        """Send a batch; if its commands are alike, they are for the same item and have the same times."""
        if alike:
            commands = [(commands[0][0], change, commands[0][2]) for _, change, _ in commands]
        sent = [
            self.timed(self.new_item("batch", {}) if pick > 5 else self.change_of(pick, change), *times)
            for pick, change, times in commands
        ]
        self.post_batch(sent, planned, owner, key)

    @precondition(lambda self: self.batch_of_key)
    @rule(pick=st.integers(0, 5), planned=in_requests)
    def repeat_batch(self, pick: int, planned: list[Fault]) -> None:
        (owner, key), sent = list(self.batch_of_key.items())[pick % len(self.batch_of_key)]
        self.post_batch(sent, planned, owner, key)

    def post_batch(self, sent: list[Sent], planned: list[Fault], owner: str, key: str | None) -> None:
        by_fingerprint = {}
        for each in sent:
            with suppress(Refusal):
                by_fingerprint[fingerprint(parse_command(each.raw, new_item_id=""))] = each
        self.pendings.append(by_fingerprint)
        answer = self.ask("POST", "/batches", {"commands": [each.raw for each in sent]}, planned, owner, key)
        self.pendings.pop()
        if key is not None and (owner, key) not in self.batch_of_key:
            self.batch_of_key[owner, key] = sent
        if answer is None or answer.status != 202:
            assert answer is None or answer.status in (400, 422, 503), answer.text
            return
        self.batches[answer.json["id"]] = owner
        for position, entry in enumerate(answer.json["entries"]):
            if "job" in entry:
                self.accepted.add(entry["job"]["id"])
                self.position[entry["job"]["id"]] = position
                self.remember(sent[position], entry["job"]["item_id"])

    @precondition(lambda self: self.batches)
    @rule(pick=st.integers(0, 5), planned=in_requests)
    def cancel_batch(self, pick: int, planned: list[Fault]) -> None:
        batch_id, owner = list(self.batches.items())[pick % len(self.batches)]
        answer = self.ask("DELETE", f"/batches/{batch_id}", None, planned, owner)
        assert answer is None or answer.status in (200, 404, 503), answer.text
        for entry in answer.json["entries"] if answer is not None and answer.status == 200 else ():
            if "job" in entry and "unchanged" not in entry:
                assert self.pipeline.jobs.rows[entry["job"]["id"]].status is Status.CANCELLED

    @precondition(lambda self: self.batches)
    @rule(pick=st.integers(0, 5), planned=in_requests)
    def retry_batch(self, pick: int, planned: list[Fault]) -> None:
        batch_id, owner = list(self.batches.items())[pick % len(self.batches)]
        before = dict(self.pipeline.jobs.rows)
        answer = self.ask("POST", f"/batches/{batch_id}/retry", None, planned, owner)
        assert answer is None or answer.status in (202, 404, 503), answer.text
        for entry in answer.json["entries"] if answer is not None and answer.status == 202 else ():
            job_id = entry.get("job", {}).get("id")
            if "unchanged" not in entry and job_id in before and before[job_id].status is Status.FAILED:
                assert self.pipeline.jobs.rows[job_id].retries > before[job_id].retries
                self.accepted.add(job_id)

    @precondition(lambda self: self.pipeline.jobs.rows)
    @rule(pick=st.integers(0), seconds=st.sampled_from([1, 60, 7200]), planned=in_requests)
    def retry_with_limit(self, pick: int, seconds: int, planned: list[Fault]) -> None:
        job = self.job_at(pick)
        body = {"not_after": rfc3339(self.clock.now + timedelta(seconds=seconds))}
        answer = self.ask("POST", f"/jobs/{job.job_id}/retry", body, planned, job.owner)
        assert answer is None or answer.status in (202, 404, 409, 503), answer.text
        if answer is not None and answer.status == 202 and job.status is Status.FAILED:
            assert self.pipeline.jobs.rows[job.job_id].retries > job.retries
            self.accepted.add(job.job_id)

    @precondition(lambda self: self.by_key)
    @rule(pick=st.integers(0), planned=in_requests)
    def replay(self, pick: int, planned: list[Fault]) -> None:
        super().replay(pick, planned)

    @precondition(lambda self: self.pipeline.jobs.rows)
    @rule(pick=st.integers(0), planned=in_requests)
    def cancel(self, pick: int, planned: list[Fault]) -> None:
        job = self.job_at(pick)
        answer = self.ask("DELETE", f"/jobs/{job.job_id}", None, planned, job.owner)
        assert answer is None or answer.status in (200, 404, 409, 503), answer.text
        if answer is not None and answer.status == 200:
            assert self.pipeline.jobs.rows[job.job_id].status is Status.CANCELLED

    @precondition(lambda self: self.pipeline.jobs.rows)
    @rule(pick=st.integers(0), planned=in_requests)
    def retry(self, pick: int, planned: list[Fault]) -> None:
        super().retry(pick, planned)
