"""Pauses a stage, so that its worker takes no commands from the queue, and resumes it.

A pause disables the worker's event source mapping, and records the pause in a row of the table of collections
(jobpipe/stores/stage/dynamodb_pause.py), which the API shows and deployments respect. The row is written before the
mapping is disabled, and deleted after the mapping is enabled. So an interruption may leave a stage that is shown as
paused while its worker still takes commands, but never an unreported pause. Repeating the command completes it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import tenacity
from botocore.exceptions import ClientError

from infra.errors import OperatorError
from jobpipe.domain.clock import now, rfc3339
from jobpipe.stores.stage.dynamodb_pause import paused_at_of, row_key

_SECONDS = 180.0
"""The longest time to wait for a mapping: Lambda may take a minute to enable or disable one."""
_POLL_SECONDS = 1.0
_IN_TRANSITION = {"ResourceInUseException", "ResourceConflictException"}


@dataclass(frozen=True)
class StagePause:
    """The recorded pause of a stage, and the event source mapping of its queue of commands."""

    dynamodb: Any
    lambdas: Any
    table: str  # of collections
    function: str  # the worker
    queue: str  # the name of the queue of commands

    def paused_at(self) -> datetime | None:
        """Return when the stage was paused, or None if it is not."""
        return read_paused_at(self.dynamodb, self.table)

    def pause(self) -> datetime:
        """Pause the stage, and return when it was paused. The worker still finishes the batch that it has."""
        at = self.paused_at()
        if at is None:
            at = now()
            self.dynamodb.put_item(TableName=self.table, Item={**row_key(), "paused_at": {"S": rfc3339(at)}})
        self.enable(enabled=False)
        return at

    def resume(self) -> datetime | None:
        """Resume the stage, and return when it was paused, or None if it was not."""
        at = self.paused_at()
        self.enable(enabled=True)
        self.dynamodb.delete_item(TableName=self.table, Key=row_key())
        return at

    def enable(self, *, enabled: bool) -> None:
        """Enable or disable the mapping, and wait for it; raise OperatorError after three minutes."""
        for mapping in self._mappings():
            self._bring_into("Enabled" if enabled else "Disabled", mapping)

    def _mappings(self) -> list[str]:
        pages = self.lambdas.get_paginator("list_event_source_mappings").paginate(FunctionName=self.function)
        found = [
            each["UUID"]
            for page in pages
            for each in page["EventSourceMappings"]
            if each["EventSourceArn"].rpartition(":")[2] == self.queue
        ]
        if not found:
            raise OperatorError(
                f"{self.function} has no event source mapping of {self.queue}: deploy the stage again"
            )
        return found

    def _bring_into(self, requested: str, mapping: str) -> None:
        for attempt in _attempts_until(requested):
            with attempt:
                state = self.lambdas.get_event_source_mapping(UUID=mapping)["State"]
                if state in {"Enabled", "Disabled"} and state != requested:
                    state = self._update(mapping, requested)
                if state != requested:
                    raise _NotYetError(state)

    def _update(self, mapping: str, state: str) -> str:
        try:
            response = self.lambdas.update_event_source_mapping(UUID=mapping, Enabled=state == "Enabled")
        except ClientError as error:
            if error.response["Error"]["Code"] not in _IN_TRANSITION:  # another change is in progress
                raise
            return "in transition"
        return str(response["State"])


class _NotYetError(Exception):
    """The mapping is not yet in the requested state."""


def _attempts_until(requested: str) -> Iterator[tenacity.AttemptManager]:
    """Yield attempts until one raises no _NotYetError; raise OperatorError after the last one."""

    def give_up(state: tenacity.RetryCallState) -> None:
        last = state.outcome.exception() if state.outcome else None
        raise OperatorError(
            f"the event source mapping is {last} and not {requested} after {_SECONDS:.0f} seconds; run this again"
        )

    return iter(
        tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_NotYetError),
            stop=tenacity.stop_after_delay(_SECONDS),
            wait=tenacity.wait_fixed(_POLL_SECONDS),
            retry_error_callback=give_up,
        )
    )


def read_paused_at(dynamodb: Any, table: str) -> datetime | None:
    """Return when the stage with this table of collections was paused, or None if it is not."""
    answer = dynamodb.get_item(TableName=table, Key=row_key(), ConsistentRead=True)
    try:
        return paused_at_of(answer.get("Item"))
    except (KeyError, ValueError):
        raise OperatorError(
            f"the row {row_key()} of {table} cannot be read: delete it, and pause the stage again"
        ) from None
