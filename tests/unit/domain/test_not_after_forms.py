"""The forms of a time limit: equal times are one command, and every text is a time or is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.commands.command import CreateItem, DeleteItem, fingerprint
from jobpipe.domain.commands.command_parsing import decode_command, parse_command
from jobpipe.domain.commands.not_after import (
    LONGEST_DAYS,
    check_at_acceptance,
    check_form,
    check_in_time,
    has_passed,
)
from jobpipe.domain.errors import CommandTooLate, InvalidRequest
from jobpipe.domain.jobs.claim_check import Claim
from jobpipe.domain.jobs.job import Status
from jobpipe.domain.jobs.message_decoding import decode_message
from tests.helpers.batches import create
from tests.helpers.job_states import LARGE
from tests.helpers.pipeline import Pipeline
from tests.helpers.scheduled import HOUR, accept
from tests.helpers.time_limits import within

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(MOMENTS, OFFSETS, st.booleans())
def test_equal_times_are_one_command_whatever_their_form(moment: datetime, zone: timezone, lower: bool) -> None:
    text = moment.astimezone(zone).isoformat()
    text = text.replace("T", "t") if lower else text
    command = parse_command({"operation": "delete", "item_id": "i", "not_after": text}, new_item_id="")
    assert command.not_after == rfc3339(moment), "rounded down to milliseconds"
    assert fingerprint(command) == fingerprint(DeleteItem("i", not_after=rfc3339(moment)))
    assert decode_command(command.to_raw(), command.item) == command


@given(MOMENTS, MOMENTS)
def test_a_time_is_late_when_the_clock_is_after_it(limit: datetime, clock: datetime) -> None:
    text = check_form(limit.isoformat())
    late = clock > datetime.fromisoformat(text)
    assert has_passed(text, clock) == late
    assert not has_passed(None, clock)
    if late:
        with pytest.raises(CommandTooLate):
            check_in_time(text, clock)
    else:
        check_in_time(text, clock)


@given(MOMENTS, st.timedeltas(-timedelta(days=800), timedelta(days=800)))
def test_a_limit_is_accepted_if_it_is_to_come_within_a_year(at: datetime, ahead: timedelta) -> None:
    limit = check_form((at + ahead).isoformat())
    known = datetime.fromisoformat(limit)
    if at < known <= at + timedelta(days=LONGEST_DAYS):
        check_at_acceptance(limit, at)
        assert not has_passed(limit, at), "what is accepted is not late at once"
    else:
        with pytest.raises(InvalidRequest):
            check_at_acceptance(limit, at)


@given(
    st.text() | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:]{8}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})?")
)
def test_every_text_is_a_time_or_is_refused(text: str) -> None:
    try:
        stored = check_form(text)
    except InvalidRequest:
        return
    assert check_form(stored) == stored
    assert rfc3339(datetime.fromisoformat(stored)) == stored


@pytest.mark.parametrize("limit", [7, "soon", "2026-11-22T20:57:44Z", None])
def test_a_message_with_a_limit_in_another_form_cannot_be_read(pipeline: Pipeline, limit: Any) -> None:
    """Beside a claim check; in a command, other forms of a time are read as callers' are."""
    accept(pipeline, {**create("Tent", text=LARGE), "not_after": within(HOUR)})
    ((message_id, envelope, count),) = pipeline.queue.waiting
    message = json.loads(envelope.body)
    assert isinstance(decode_message(envelope.body).content, Claim)
    message["not_after"] = limit
    forged = envelope.__class__(json.dumps(message), envelope.group_id, envelope.deduplication_id)
    pipeline.queue.waiting = [(message_id, forged, count)]
    pipeline.drain()
    (job,) = pipeline.jobs.rows.values()
    assert job.status is Status.FAILED
    assert job.error is not None
    assert job.error["type"].endswith(":command-unreadable")


def test_a_command_without_a_limit_is_as_in_earlier_releases(pipeline: Pipeline) -> None:
    accept(pipeline, create("Tent"))
    accept(pipeline, create("Yurt", text=LARGE))
    for _, envelope, _ in pipeline.queue.waiting:
        assert "not_after" not in envelope.body
        assert decode_message(envelope.body).not_after is None
    command = CreateItem("i", {"name": "n"})
    assert command.to_raw() == {"operation": "create", "item": {"name": "n"}}
