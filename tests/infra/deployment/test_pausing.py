"""`make pause` and `make resume` wait for Lambda's event source mappings, which change slowly on AWS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from infra.errors import OperatorError
from infra.stage import pause
from infra.stage.pause import StagePause
from tests.helpers.stubbed import a_client

AT = datetime(2026, 11, 29, 23, 10, 43, 120_000, tzinfo=UTC)
KEY = {"partition": {"S": "#stage"}, "item_id": {"S": "pause"}}
ROW = {**KEY, "paused_at": {"S": "2026-11-29T23:10:43.120Z"}}
ARN = "arn:aws:sqs:eu-central-1:111122223333:"
MAPPING = "7a5b9c1d-0000-4000-8000-123456789abc"


class Account:
    """Stubbed DynamoDB and Lambda, which expect the calls in their order."""

    def __init__(self) -> None:
        self.dynamodb, self.lambdas = a_client("dynamodb"), a_client("lambda")
        self.rows, self.mappings = Stubber(self.dynamodb), Stubber(self.lambdas)
        self.stage = StagePause(self.dynamodb, self.lambdas, "collections", "worker", "commands.fifo")

    def has_row(self, row: dict[str, Any] | None) -> None:
        given = {"TableName": "collections", "Key": KEY, "ConsistentRead": True}
        self.rows.add_response("get_item", {} if row is None else {"Item": row}, given)

    def lists(self, *queues: str) -> None:
        found = [{"UUID": MAPPING, "EventSourceArn": ARN + queue} for queue in queues]
        self.mappings.add_response(
            "list_event_source_mappings", {"EventSourceMappings": found}, {"FunctionName": "worker"}
        )

    def is_in(self, state: str) -> None:
        self.mappings.add_response("get_event_source_mapping", {"State": state}, {"UUID": MAPPING})

    def answers(self, state: str, *, enabled: bool) -> None:
        given = {"UUID": MAPPING, "Enabled": enabled}
        self.mappings.add_response("update_event_source_mapping", {"State": state}, given)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    monkeypatch.setattr(pause, "_POLL_SECONDS", 0.0)
    account = Account()
    with account.rows, account.mappings:
        yield account
        account.rows.assert_no_pending_responses()
        account.mappings.assert_no_pending_responses()


def test_a_pause_waits_until_the_mapping_is_disabled(account: Account) -> None:
    """A change that is under way is waited for, and so is a mapping that cannot be updated yet."""
    account.has_row(ROW)
    account.lists("other.fifo", "commands.fifo")
    account.is_in("Enabling")
    account.is_in("Enabled")
    account.mappings.add_client_error("update_event_source_mapping", "ResourceInUseException")
    account.is_in("Enabled")
    account.answers("Disabling", enabled=False)
    account.is_in("Disabling")
    account.is_in("Disabled")
    assert account.stage.pause() == AT


def test_a_pause_is_recorded_before_the_mapping_is_disabled(account: Account) -> None:
    account.has_row(None)
    account.rows.add_response("put_item", {})
    account.mappings.add_client_error("list_event_source_mappings", "AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDenied"):
        account.stage.pause()


def test_the_end_of_a_pause_is_recorded_after_the_mapping_is_enabled(account: Account) -> None:
    account.has_row(ROW)
    account.lists("commands.fifo")
    account.is_in("Disabled")
    account.mappings.add_client_error("update_event_source_mapping", "AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDenied"):
        account.stage.resume()  # no row is deleted


def test_a_mapping_that_does_not_change_is_a_line_for_the_operator(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pause, "_SECONDS", 0.0)
    account.lists("commands.fifo")
    account.is_in("Disabling")
    with pytest.raises(OperatorError, match="is Disabling and not Enabled") as raised:
        account.stage.enable(enabled=True)
    assert len(str(raised.value).splitlines()) == 1


def test_a_worker_without_its_mapping_is_a_line_for_the_operator(account: Account) -> None:
    account.lists("other.fifo")
    with pytest.raises(OperatorError, match="no event source mapping of commands"):
        account.stage.enable(enabled=False)


def test_a_row_that_cannot_be_read_is_a_line_for_the_operator(account: Account) -> None:
    account.has_row({**KEY, "paused_at": {"S": "yesterday"}})
    with pytest.raises(OperatorError, match="cannot be read"):
        account.stage.paused_at()
