"""API keys of a stage: the name of their owner, then 32 hex digits that cannot be guessed.

The API Lambda takes the owner from the key that the gateway has checked (chalicelib/http/callers.py), so that all
keys of one owner are one caller, and no table of keys is needed. No stack holds a key, so that no deployment
changes or loses one (docs/decisions/0013): a key is the stage's by its name, and good while it is in its plan.
"""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from api_lambda.chalicelib.http.callers import owner_of
from infra.cli.aws_errors import suppress_gone
from infra.errors import OperatorError
from infra.stage.names import key_name, key_prefix

FIRST_OWNER = "operator"  # whose key a deployment makes
_OWNER = re.compile(r"[a-z][a-z0-9]{0,62}")


@dataclass(frozen=True)
class ApiKey:
    """One key as API Gateway has it."""

    key_id: str
    name: str
    owner: str
    created: datetime
    enabled: bool
    in_plan: bool  # of the stage: without it the gateway takes the key nowhere
    value: str = field(repr=False)

    @property
    def is_good(self) -> bool:
        return self.enabled and self.in_plan


def check_owner(owner: str) -> str:
    """The owner's name, if it can stand in a key."""
    if not _OWNER.fullmatch(owner):
        raise OperatorError(f"{owner!r} is no owner's name: up to 63 lower-case letters and digits, letter first")
    return owner


def new_api_key(owner: str) -> str:
    """A key of an owner, whose name is of lower-case letters and digits, a letter first."""
    return f"{owner}{secrets.token_hex(16)}"


@dataclass(frozen=True)
class ApiKeys:
    """The keys of one stage."""

    gateway: Any  # a client of API Gateway
    stage: str
    usage_plan: str  # its id

    def all(self) -> list[ApiKey]:
        """Those of the stage's name and whatever else is in its usage plan, by owner, the oldest first."""
        in_plan = self._in_plan()
        found = (
            ApiKey(
                key_id=entry["id"],
                name=entry.get("name", ""),
                owner=owner_of(entry["value"]),
                created=entry["createdDate"],
                enabled=entry["enabled"],
                in_plan=entry["id"] in in_plan,
                value=entry["value"],
            )
            for entry in _entries(self.gateway)
            if entry["id"] in in_plan or entry.get("name", "").startswith(key_prefix(self.stage))
        )
        return sorted(found, key=lambda key: (key.owner, key.created))

    def of(self, owner: str) -> list[ApiKey]:
        """An owner's keys, the oldest first."""
        return [key for key in self.all() if key.owner == owner]

    def add(self, owner: str, value: str | None = None) -> ApiKey:
        """One more key of the owner, in the usage plan."""
        name = key_name(self.stage, owner)
        entry = self.gateway.create_api_key(name=name, enabled=True, value=value or new_api_key(owner))
        try:
            self._admit(entry["id"])
        except ClientError:
            self.gateway.delete_api_key(apiKey=entry["id"])
            raise
        made, secret = entry["createdDate"], entry["value"]
        return ApiKey(entry["id"], name, owner, made, enabled=True, in_plan=True, value=secret)

    def end(self, key: ApiKey) -> bool:
        """Takes the key out of the plan and, if it is the stage's by its name, deletes it; whether it did."""
        # First out of the plan: LocalStack finds a deleted key there still, and answers 500 to whoever sends it.
        if key.key_id in self._in_plan():
            with suppress_gone():
                self.gateway.delete_usage_plan_key(usagePlanId=self.usage_plan, keyId=key.key_id)
        ours = key.name.startswith(key_prefix(self.stage))
        if ours:
            with suppress_gone():
                self.gateway.delete_api_key(apiKey=key.key_id)
        return ours

    def left_out(self) -> list[ApiKey]:
        """Keys of the stage's name that its usage plan does not let in."""
        return [key for key in self.all() if not key.in_plan]

    def admit_all(self) -> None:
        """Puts keys into a usage plan that was made anew, those whose name tells the owner of their value."""
        for key in self.left_out():
            if key.name == key_name(self.stage, key.owner):
                self._admit(key.key_id)

    def operators_key(self, written_down: str | None, *, forgets: bool) -> ApiKey:
        """The key for the stage file: the one that it has, if good, else the operator's latest or a new one.

        A target that forgets its keys when it ends, as an emulator does, is given the one that was written down.
        """
        keys = [key for key in self.all() if key.is_good]
        kept = next((key for key in keys if key.value == written_down), None)
        if kept:
            return kept
        of_operator = [key for key in keys if key.owner == FIRST_OWNER]
        if of_operator:
            return of_operator[-1]
        again = written_down if forgets and written_down and owner_of(written_down) == FIRST_OWNER else None
        return self.add(FIRST_OWNER, again)

    def _in_plan(self) -> set[str]:
        pages = self.gateway.get_paginator("get_usage_plan_keys").paginate(usagePlanId=self.usage_plan)
        return {entry["id"] for page in pages for entry in page.get("items", [])}

    def _admit(self, key_id: str) -> None:
        self.gateway.create_usage_plan_key(usagePlanId=self.usage_plan, keyId=key_id, keyType="API_KEY")


def delete_keys(gateway: Any, stage: str) -> None:
    """Deletes every key of the stage's name."""
    for entry in list(_entries(gateway)):
        if entry.get("name", "").startswith(key_prefix(stage)):
            with suppress_gone():
                gateway.delete_api_key(apiKey=entry["id"])


def _entries(gateway: Any) -> Iterator[dict[str, Any]]:
    pages = gateway.get_paginator("get_api_keys").paginate(includeValues=True, PaginationConfig={"PageSize": 500})
    for page in pages:
        yield from page.get("items", [])
