"""API keys of a stage: the name of the owner, a letter for the role, then 32 random hexadecimal digits.

The API Lambda takes owner and role from the key that the gateway has checked (chalicelib/http/callers.py), so all
keys of an owner are one caller, and no table of keys is needed. No stack holds a key, so no deployment changes or
loses one (docs/decisions/0013). A key belongs to the stage whose name begins the key's name, and works while it is
in the stage's usage plan.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from api_lambda.chalicelib.http.callers import OWNER, Role, caller_of
from infra.cli.aws_errors import suppress_gone
from infra.errors import OperatorError
from infra.stage.names import key_name, key_prefix

FIRST_OWNER = "operator"  # the owner of the key that a deployment makes


@dataclass(frozen=True)
class ApiKey:
    """A key in API Gateway."""

    key_id: str
    name: str
    owner: str
    created: datetime
    enabled: bool
    in_plan: bool  # whether it is in the stage's usage plan
    value: str = field(repr=False)

    @property
    def role(self) -> Role | None:
        """The role, or None for a key of another form, such as a key from an earlier release."""
        return caller_of(self.value).role

    @property
    def is_usable(self) -> bool:
        return self.enabled and self.in_plan


def check_owner(owner: str) -> str:
    """Return the name if it can be part of a key; raise OperatorError otherwise."""
    if not OWNER.fullmatch(owner):
        raise OperatorError(
            f"{owner!r} cannot be an owner's name: up to 63 lower-case letters and digits, letter first"
        )
    return owner


def check_role(role: str) -> Role:
    """Return the role of this name; raise OperatorError if there is none."""
    try:
        return Role(role)
    except ValueError:
        raise OperatorError(f"{role!r} is not a role: a key is a reader's, a writer's or an operator's") from None


def new_api_key(owner: str, role: Role = Role.WRITER) -> str:
    """Return the value of a new key; the owner must be valid for check_owner."""
    return f"{owner}{role.letter}{secrets.token_hex(16)}"


@dataclass(frozen=True)
class ApiKeys:
    """The keys of one stage. Methods raise ClientError if API Gateway refuses a call."""

    gateway: Any  # a client of API Gateway
    stage: str
    usage_plan: str  # its id

    def all(self) -> list[ApiKey]:
        """Return the keys with the stage's name or in its usage plan, by owner, oldest first."""
        in_plan = self._ids_in_plan()
        found = (
            ApiKey(
                key_id=entry["id"],
                name=entry.get("name", ""),
                owner=caller_of(entry["value"]).owner,
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
        """Return the owner's keys, oldest first."""
        return [key for key in self.all() if key.owner == owner]

    def add(self, owner: str, role: Role = Role.WRITER, *, value: str | None = None) -> ApiKey:
        """Make a key with this owner and role, or with this value, and put it into the usage plan."""
        name = key_name(self.stage, owner)
        entry = self.gateway.create_api_key(name=name, enabled=True, value=value or new_api_key(owner, role))
        try:
            self._put_into_plan(entry["id"])
        except ClientError:
            self.gateway.delete_api_key(apiKey=entry["id"])
            raise
        created, secret = entry["createdDate"], entry["value"]
        return ApiKey(entry["id"], name, owner, created, enabled=True, in_plan=True, value=secret)

    def revoke(self, key: ApiKey) -> bool:
        """Remove the key from the usage plan, and delete it if its name is the stage's. Return whether it is."""
        # First from the plan: LocalStack returns 500 for a request with a deleted key that is still in a plan.
        if key.key_id in self._ids_in_plan():
            with suppress_gone():
                self.gateway.delete_usage_plan_key(usagePlanId=self.usage_plan, keyId=key.key_id)
        ours = key.name.startswith(key_prefix(self.stage))
        if ours:
            with suppress_gone():
                self.gateway.delete_api_key(apiKey=key.key_id)
        return ours

    def outside_plan(self) -> list[ApiKey]:
        """Return the keys with the stage's name that are not in its usage plan."""
        return [key for key in self.all() if not key.in_plan]

    def admit_all(self) -> None:
        """Put keys into a new usage plan, except those whose name and value have different owners."""
        for key in self.outside_plan():
            if key.name == key_name(self.stage, key.owner):
                self._put_into_plan(key.key_id)

    def operators_key(self, in_file: str | None, *, keys_may_be_lost: bool) -> ApiKey:
        """Return the key for the stage file: the one in it if usable, else the operator's latest, else a new one.

        A key with a reader's or a writer's role is not used, unless it is in the file.

        If the target may have lost its keys, like a stopped emulator, the new key has the value in the file.
        """
        usable = [key for key in self.all() if key.is_usable]
        recorded = next((key for key in usable if key.value == in_file), None)
        if recorded:
            return recorded
        of_operator = [key for key in usable if key.owner == FIRST_OWNER and key.role in {Role.OPERATOR, None}]
        if of_operator:
            return of_operator[-1]
        same_value = keys_may_be_lost and in_file and caller_of(in_file).owner == FIRST_OWNER
        return self.add(FIRST_OWNER, Role.OPERATOR, value=in_file if same_value else None)

    def _ids_in_plan(self) -> set[str]:
        pages = self.gateway.get_paginator("get_usage_plan_keys").paginate(usagePlanId=self.usage_plan)
        return {entry["id"] for page in pages for entry in page.get("items", [])}

    def _put_into_plan(self, key_id: str) -> None:
        self.gateway.create_usage_plan_key(usagePlanId=self.usage_plan, keyId=key_id, keyType="API_KEY")


def delete_keys(gateway: Any, stage: str) -> None:
    """Delete every key with the stage's name."""
    for entry in list(_entries(gateway)):
        if entry.get("name", "").startswith(key_prefix(stage)):
            with suppress_gone():
                gateway.delete_api_key(apiKey=entry["id"])


def _entries(gateway: Any) -> Iterator[dict[str, Any]]:
    pages = gateway.get_paginator("get_api_keys").paginate(includeValues=True, PaginationConfig={"PageSize": 500})
    for page in pages:
        yield from page.get("items", [])
