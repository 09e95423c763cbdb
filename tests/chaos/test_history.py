"""The checks of a history accept what is allowed, and find each violation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.history import Command, Document, End, History, violations


class Builder:
    """Builds a history from commands and their ends."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.item: dict[str, Any] | None = None  # after the effects so far
        self.etag = 0

    def add(
        self,
        operation: str,
        sent: float,
        received: float,
        problem: str | None = None,
        **fields: Any,
    ) -> Command:
        """Add a command that took effect, or failed with this problem, after all that were added before."""
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

    def failed_checks(self, items: dict[str, Document] | None = None) -> dict[str, list[str]]:
        """Return the violations of each check that fails."""
        existing = {"a": self.item} if self.item is not None else {}
        checks = violations(History(self.commands, existing if items is None else items))
        return {name: found for name, found in checks.items() if found}


def with_an_item() -> Builder:
    history = Builder()
    history.add("create", 0, 1, name="first", description="d")
    return history


def test_commands_in_sequence_are_allowed() -> None:
    history = with_an_item()
    history.add("update", 2, 3)
    history.add("read", 4, 5)
    history.add("update", 6, 7, name="second")
    history.add("delete", 8, 9)
    history.add("update", 10, 11, "not-found")
    assert history.failed_checks() == {}


def test_overlapping_commands_may_have_any_order() -> None:
    history = with_an_item()
    history.add("update", 4, 9)
    history.add("update", 2, 5)
    history.add("read", 4, 9)
    history.add("read", 2, 6)
    assert history.failed_checks() == {}


@pytest.mark.parametrize(
    "commands",
    [
        pytest.param([("update", 4, 5), ("update", 2, 3)], id="before one that was accepted earlier"),
        pytest.param([("update", 20, 21), ("update", 2, 30), ("update", 18, 19)], id="over several places"),
        pytest.param([("read", 4, 5), ("update", 2, 3)], id="a read without an earlier effect"),
        pytest.param([("update", 4, 5), ("read", 2, 3)], id="a read of a later effect"),
        pytest.param([("delete", 4, 5), ("update", 2, 3, "not-found")], id="a delete that overtook an update"),
    ],
)
def test_a_wrong_order_is_found(commands: list[Any]) -> None:
    history = with_an_item()
    for command in commands:
        history.add(*command)
    assert "the commands of each item are in order" in history.failed_checks()


def test_a_retry_gets_a_new_place() -> None:
    history = with_an_item()
    history.add("update", 4, 5)
    late = history.add("update", 2, 3)
    late.retry_sent, late.retry_received, late.seen = 6, 7, ["failed"]
    assert history.failed_checks() == {}
    late.retry_sent, late.retry_received = 2.5, 3
    assert "the commands of each item are in order" in history.failed_checks()


def test_a_lost_update_is_found() -> None:
    history = with_an_item()
    lost = history.add("update", 2, 3)
    assert history.item is not None
    del history.item[lost.mark]
    history.add("update", 4, 5)
    assert "effects agree with outcomes" in history.failed_checks()


def test_an_effect_of_a_failed_command_is_found() -> None:
    history = with_an_item()
    failed = history.add("update", 2, 3)
    failed.end = End("job-2", "failed", "version-mismatch")
    failed.if_match = '"0"'
    assert "effects agree with outcomes" in history.failed_checks()


def test_an_effect_of_a_cancelled_command_is_found() -> None:
    history = with_an_item()
    cancelled = history.add("update", 2, 3)
    cancelled.end, cancelled.cancelled = End("job-2", "cancelled"), True
    history.add("update", 4, 5)
    assert "effects agree with outcomes" in history.failed_checks()


def test_a_field_that_no_command_set_is_found() -> None:
    history = with_an_item()
    assert "effects agree with outcomes" in history.failed_checks({"a": {**(history.item or {}), "x": 1}})


def test_a_missing_item_is_found() -> None:
    history = with_an_item()
    assert "effects agree with outcomes" in history.failed_checks({})


def test_an_item_that_exists_after_its_delete_is_found() -> None:
    history = with_an_item()
    document = dict(history.item or {})
    history.add("delete", 2, 3)
    assert "effects agree with outcomes" in history.failed_checks({"a": document})


def test_a_read_of_a_state_that_never_existed_is_found() -> None:
    history = with_an_item()
    history.add("update", 2, 3)
    history.add("update", 2, 4)
    read = history.add("read", 2, 5)
    assert read.end is not None
    shown = {name: value for name, value in (read.end.result or {}).items() if name != "mark-2"}
    read.end = replace(read.end, result=shown)
    assert "effects agree with outcomes" in history.failed_checks()


def test_an_update_despite_its_precondition_is_found() -> None:
    history = with_an_item()
    history.add("update", 2, 3).if_match = '"1"'
    assert history.failed_checks() == {}
    history.add("update", 4, 5).if_match = '"1"'
    assert "effects agree with outcomes" in history.failed_checks()


def test_a_command_without_an_answer_may_take_effect() -> None:
    history = with_an_item()
    unknown = history.add("update", 2, float("inf"))
    unknown.end, unknown.keyed, unknown.job_ids = None, False, set()
    assert history.failed_checks() == {}
    history.add("update", 4, 5)
    assert history.failed_checks() == {}


def test_a_command_with_a_key_and_no_answer_is_found() -> None:
    history = with_an_item()
    history.add("update", 2, float("inf")).end = None
    assert "every command is answered" in history.failed_checks()


@pytest.mark.parametrize("status", ["queued", "retrying"])
def test_a_job_that_has_not_ended_is_found(status: str) -> None:
    history = with_an_item()
    history.add("read", 2, 3).end = End("job-2", status)
    assert "every accepted job ends" in history.failed_checks()


def test_two_jobs_of_one_key_are_found() -> None:
    history = with_an_item()
    history.commands[0].job_ids.add("another")
    assert "each key has one job" in history.failed_checks()


def test_one_job_of_two_commands_is_found() -> None:
    history = with_an_item()
    history.add("read", 2, 3).job_ids = {"job-1"}
    assert "each key has one job" in history.failed_checks()


@pytest.mark.parametrize("problem", ["attempts-spent", "unavailable", "internal-error"])
def test_a_failure_without_a_cause_in_its_command_is_found(problem: str) -> None:
    history = with_an_item()
    history.add("update", 2, 3, problem)
    assert "every failure has a cause in its command" in history.failed_checks()


def test_a_failure_for_a_free_name_is_found() -> None:
    history = with_an_item()
    history.add("update", 2, 3, "name-taken", name="second")
    assert "every failure has a cause in its command" in history.failed_checks()


def test_an_end_that_changed_is_found() -> None:
    history = with_an_item()
    history.add("read", 2, 3).seen = ["succeeded"]
    assert history.failed_checks() == {}
    history.commands[-1].seen = ["failed"]
    assert "no end changes" in history.failed_checks()


def test_a_cancelled_job_that_succeeded_is_found() -> None:
    history = with_an_item()
    history.add("update", 2, 3).cancelled = True
    assert "no end changes" in history.failed_checks()


def test_two_items_with_one_name_are_found() -> None:
    history = with_an_item()
    item = history.item or {}
    assert "names are unique" in history.failed_checks({"a": item, "b": item})


def test_an_item_without_its_command_is_found() -> None:
    history = with_an_item()
    assert "every item has its command" in history.failed_checks({"a": history.item or {}, "b": {"name": "other"}})
