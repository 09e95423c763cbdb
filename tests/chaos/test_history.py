"""The checks of a history: what is allowed passes, and each thing that is not is found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.history import Command, Document, End, History, violations


class Story:
    """A history made by hand: each line sends a command and says how it ended."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.item: dict[str, Any] | None = None  # as it is after the effects so far
        self.etag = 0

    def tells(
        self,
        operation: str,
        sent: float,
        received: float,
        problem: str | None = None,
        **fields: Any,
    ) -> Command:
        """A command that took effect, or failed with this problem, after all that were told before."""
        number = len(self.commands) + 1
        command = Command(number, operation, "a", sent, received=received, job_ids={f"job-{number}"})
        self.commands.append(command)
        if operation in {"create", "update"}:
            command.fields = {**fields, "count": number, command.mark: True}
        if problem:
            command.end = End(f"job-{number}", "failed", problem)
            return command
        if operation == "delete":
            self.item = None
            command.end = End(f"job-{number}", "succeeded", result={"message": "Item deleted"})
            return command
        if operation != "read":
            self.item = {**(self.item or {}), **command.fields}
            self.etag += 1
        command.end = End(f"job-{number}", "succeeded", result=dict(self.item or {}), etag=f'"{self.etag}"')
        return command

    def found(self, items: dict[str, Document] | None = None) -> dict[str, list[str]]:
        """The checks that failed."""
        there = {"a": self.item} if self.item is not None else {}
        checks = violations(History(self.commands, there if items is None else items))
        return {name: found for name, found in checks.items() if found}


def begun() -> Story:
    story = Story()
    story.tells("create", 0, 1, name="first", description="d")
    return story


def test_commands_one_after_the_other() -> None:
    story = begun()
    story.tells("update", 2, 3)
    story.tells("read", 4, 5)
    story.tells("update", 6, 7, name="second")
    story.tells("delete", 8, 9)
    story.tells("update", 10, 11, "not-found")
    assert story.found() == {}


def test_overlapping_commands_go_in_either_order() -> None:
    story = begun()
    story.tells("update", 4, 9)
    story.tells("update", 2, 5)
    story.tells("read", 4, 9)
    story.tells("read", 2, 6)
    assert story.found() == {}


def test_a_command_before_one_that_was_accepted_before_it_was_sent() -> None:
    story = begun()
    story.tells("update", 4, 5)
    story.tells("update", 2, 3)
    assert "order of each item kept" in story.found()


def test_an_order_that_is_wrong_over_several_places() -> None:
    story = begun()
    story.tells("update", 20, 21)
    story.tells("update", 2, 30)
    story.tells("update", 18, 19)
    assert "order of each item kept" in story.found()


def test_a_read_that_missed_what_was_accepted_before() -> None:
    story = begun()
    story.tells("read", 4, 5)
    story.tells("update", 2, 3)
    assert "order of each item kept" in story.found()


def test_a_read_that_saw_what_was_sent_after_it() -> None:
    story = begun()
    story.tells("update", 4, 5)
    story.tells("read", 2, 3)
    assert "order of each item kept" in story.found()


def test_a_delete_that_came_first() -> None:
    story = begun()
    story.tells("delete", 4, 5)
    story.tells("update", 2, 3, "not-found")
    assert "order of each item kept" in story.found()


def test_a_retry_takes_a_new_place() -> None:
    story = begun()
    story.tells("update", 4, 5)
    late = story.tells("update", 2, 3)
    late.retry_sent, late.retry_received, late.seen = 6, 7, ["failed"]
    assert story.found() == {}
    late.retry_sent, late.retry_received = 2.5, 3
    assert "order of each item kept" in story.found()


def test_an_update_that_overwrote_another() -> None:
    story = begun()
    lost = story.tells("update", 2, 3)
    assert story.item is not None
    del story.item[lost.mark]
    story.tells("update", 4, 5)
    assert "effects equal outcomes" in story.found()


def test_an_effect_of_a_failed_command() -> None:
    story = begun()
    failed = story.tells("update", 2, 3)
    failed.end = End("job-2", "failed", "version-mismatch")
    failed.if_match = '"0"'
    assert "effects equal outcomes" in story.found()


def test_an_effect_of_a_cancelled_command() -> None:
    story = begun()
    cancelled = story.tells("update", 2, 3)
    cancelled.end, cancelled.cancelled = End("job-2", "cancelled"), True
    story.tells("update", 4, 5)
    assert "effects equal outcomes" in story.found()


def test_a_field_that_nobody_set() -> None:
    story = begun()
    assert "effects equal outcomes" in story.found({"a": {**(story.item or {}), "x": 1}})


def test_an_item_that_went_away() -> None:
    story = begun()
    assert "effects equal outcomes" in story.found({})


def test_an_item_that_came_back() -> None:
    story = begun()
    document = dict(story.item or {})
    story.tells("delete", 2, 3)
    assert "effects equal outcomes" in story.found({"a": document})


def test_a_read_of_a_state_that_never_was() -> None:
    story = begun()
    story.tells("update", 2, 3)
    story.tells("update", 2, 4)
    read = story.tells("read", 2, 5)
    assert read.end is not None
    shown = {name: value for name, value in (read.end.result or {}).items() if name != "mark-2"}
    read.end = replace(read.end, result=shown)
    assert "effects equal outcomes" in story.found()


def test_a_precondition_that_did_not_hold() -> None:
    story = begun()
    story.tells("update", 2, 3).if_match = '"1"'
    assert story.found() == {}
    story.tells("update", 4, 5).if_match = '"1"'
    assert "effects equal outcomes" in story.found()


def test_what_was_never_answered_may_have_taken_effect() -> None:
    story = begun()
    unknown = story.tells("update", 2, float("inf"))
    unknown.end, unknown.keyed, unknown.job_ids = None, False, set()
    assert story.found() == {}
    story.tells("update", 4, 5)
    assert story.found() == {}


def test_a_key_whose_command_was_never_answered() -> None:
    story = begun()
    story.tells("update", 2, float("inf")).end = None
    assert "every command was answered at last" in story.found()


@pytest.mark.parametrize("status", ["queued", "retrying"])
def test_a_job_that_did_not_end(status: str) -> None:
    story = begun()
    story.tells("read", 2, 3).end = End("job-2", status)
    assert "every 202 is terminal" in story.found()


def test_two_jobs_of_one_key() -> None:
    story = begun()
    story.commands[0].job_ids.add("another")
    assert "one key, one job" in story.found()


def test_one_job_of_two_commands() -> None:
    story = begun()
    story.tells("read", 2, 3).job_ids = {"job-1"}
    assert "one key, one job" in story.found()


@pytest.mark.parametrize("problem", ["attempts-spent", "unavailable", "internal-error"])
def test_a_failure_that_is_not_the_callers(problem: str) -> None:
    story = begun()
    story.tells("update", 2, 3, problem)
    assert "no end but for a reason" in story.found()


def test_a_name_that_nobody_has() -> None:
    story = begun()
    story.tells("update", 2, 3, "name-taken", name="second")
    assert "no end but for a reason" in story.found()


def test_an_end_that_changed() -> None:
    story = begun()
    story.tells("read", 2, 3).seen = ["succeeded"]
    assert story.found() == {}
    story.commands[-1].seen = ["failed"]
    assert "an end stays an end" in story.found()


def test_a_cancelled_job_that_ran() -> None:
    story = begun()
    story.tells("update", 2, 3).cancelled = True
    assert "an end stays an end" in story.found()


def test_two_items_with_one_name() -> None:
    story = begun()
    item = story.item or {}
    assert "no name twice" in story.found({"a": item, "b": item})


def test_an_item_that_nobody_made() -> None:
    story = begun()
    assert "no item of nobody" in story.found({"a": story.item or {}, "b": {"name": "other"}})
