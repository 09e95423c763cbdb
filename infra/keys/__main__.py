"""`python -m infra.keys create|list|rotate|revoke`: the API keys of a stage.

A new key is the only line on standard output, so that it can be captured. Everything else goes to standard error.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC

from api_lambda.chalicelib.http.callers import Role
from infra.cli.command_line import OneLineParser, run
from infra.deployment.readiness import KEY_SECONDS, wait_for_key
from infra.errors import OperatorError
from infra.keys.api_keys import FIRST_OWNER, ApiKey, ApiKeys, check_owner, check_role
from infra.keys.orphaned_webhooks import pause_webhooks
from infra.settings import Settings, check_stage, read_settings
from infra.stage.stage_file import Deployment, read_deployment, stage_file, write_deployment
from infra.targets.target import Target, target_of

_EXAMPLES = """examples:
  KEY=$(make -s key OWNER=alice)               make the first key of alice, a writer's
  KEY=$(make -s key OWNER=bob ROLE=reader)     make one with which bob can change nothing
  make keys                                    list the keys
  make rotate-key OWNER=alice                  make a further key; the old one keeps working
  make rotate-key OWNER=bob ROLE=writer        make a further key with another role
  make rotate-key OWNER=alice REVOKE_OLD=yes   make a further key and revoke the old ones
  make revoke-key KEY=h2k9d1xw0c               revoke one key
  make revoke-key OWNER=alice                  revoke all keys of alice, and pause her webhooks
"""
_SHOWN = 4  # characters of a secret of 32


@dataclass(frozen=True)
class StageKeys:
    """The keys of a stage that was deployed from here, and the stage file, which holds one of them."""

    settings: Settings
    deployment: Deployment
    target: Target
    keys: ApiKeys

    def create(self, owner: str, role: Role) -> None:
        """Make the first key of an owner. A second key would give another person the owner's jobs and items."""
        if self.keys.of(owner):
            raise OperatorError(f"{owner} has a key already; make rotate-key OWNER={owner} makes a further one")
        self._print_key(self.keys.add(owner, role))

    def rotate(self, owner: str, role: Role | None, *, revoke_old: bool) -> None:
        """Make a further key of an owner; with `revoke_old`, revoke the old keys once the new key works.

        Without a role, the key has the role of the latest key.
        """
        old = self._keys_of(owner)
        in_file = any(key.value == self.deployment.api_key for key in old)
        if in_file and owner == FIRST_OWNER and role not in {Role.OPERATOR, None}:
            raise OperatorError(f"the stage's own key is an operator's: give a {role} another OWNER")
        new = self.keys.add(owner, role or old[-1].role or _role_without_letter(owner))
        if in_file:
            path = write_deployment(self.settings.state_dir, replace(self.deployment, api_key=new.value))
            _tell(f"{path} has the new key now")
        works = self._print_key(new)
        if not revoke_old:
            _tell(f"still valid: {', '.join(key.key_id for key in old)} (make revoke-key KEY=...)")
        elif works:
            self._revoke(old)
        else:
            raise OperatorError("the old keys stay until the new key works: make revoke-key KEY=...")

    def revoke(self, owner: str | None, key_id: str | None) -> None:
        """Revoke all keys of an owner, or one key; pause the webhooks of an owner who has no other key."""
        all_keys = self.keys.all()
        keys = [key for key in all_keys if (key.owner == owner if owner else key.key_id == key_id)]
        if owner and not keys:
            # An earlier command may have ended after it had revoked the last key.
            if not self._pause_webhooks_of(owner):
                raise self._no_key_of(owner)
            return
        if not keys:
            raise OperatorError(f"the stage {self.deployment.stage!r} has no key {key_id}")
        for key in keys:
            if key.value == self.deployment.api_key:
                path = stage_file(self.settings.state_dir, self.deployment.stage)
                raise OperatorError(
                    f"{key.key_id} is the key in {path}: first make rotate-key OWNER={key.owner}, "
                    "then revoke the old one by KEY=..."
                )
        self._revoke(keys)
        owner = keys[0].owner
        if not any(key.is_usable for key in all_keys if key.owner == owner and key not in keys):
            self._pause_webhooks_of(owner)

    def _keys_of(self, owner: str) -> list[ApiKey]:
        keys = self.keys.of(owner)
        if not keys:
            raise self._no_key_of(owner)
        return keys

    def _no_key_of(self, owner: str) -> OperatorError:
        return OperatorError(f"{owner} has no key of the stage {self.deployment.stage!r}")

    def _pause_webhooks_of(self, owner: str) -> bool:
        """Pause the webhooks of an owner without a key, and report it; return False if there are none to pause."""
        number = pause_webhooks(owner, self.deployment, self.target)
        if number:
            _tell(f"{owner} has no other key: {number} webhooks of {owner} are paused now (make webhooks)")
        return number > 0

    def _print_key(self, key: ApiKey) -> bool:
        """Print the key before anything can fail, since it cannot be printed again; return whether it works yet."""
        print(key.value, flush=True)
        _tell(f"key {key.key_id} of {key.owner}, {key.role}, shown this once; it goes into the header x-api-key")
        works = wait_for_key(self.deployment.base_url, key.value, accepted=True)
        if not works:
            _tell(f"API Gateway did not accept the key within {KEY_SECONDS} s; it may take some minutes")
        return works

    def _revoke(self, keys: list[ApiKey]) -> None:
        for key in keys:
            if self.keys.revoke(key):
                _tell(f"key {key.key_id} of {key.owner} is deleted")
            else:
                reason = f"its name {key.name!r} does not belong to this stage"
                _tell(f"key {key.key_id} is removed from the usage plan but not deleted: {reason}")
        for key in keys:
            if not wait_for_key(self.deployment.base_url, key.value, accepted=False):
                problem = "is still accepted, or the API does not respond"
                raise OperatorError(f"after {KEY_SECONDS} s {key.key_id} {problem}")


def _role_without_letter(owner: str) -> Role:
    """Return the role of a key that replaces a key of an earlier release."""
    return Role.OPERATOR if owner == FIRST_OWNER else Role.WRITER


def table(keys: list[ApiKey], in_stage_file: str) -> Iterator[str]:
    """Yield a header and a line for each key, with only the last characters of its value."""
    rows = [("OWNER", "ROLE", "KEY ID", "CREATED", "STATE", "ENDS IN", "")]
    for key in keys:
        created = key.created.astimezone().isoformat(timespec="seconds")
        mark = "in the stage file" if key.value == in_stage_file else ""
        role = key.role or "writer (no letter)"
        rows.append((key.owner, role, key.key_id, created, _state(key), key.value[-_SHOWN:], mark))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def as_json(keys: list[ApiKey], in_stage_file: str) -> Iterator[str]:
    """Yield a JSON object for each key, with only the last characters of its value."""
    for key in keys:
        members = {
            "owner": key.owner,
            "role": key.role or Role.WRITER,
            "has_letter": key.role is not None,
            "key_id": key.key_id,
            "created": key.created.astimezone(UTC).isoformat(timespec="seconds"),
            "state": _state(key),
            "ends_in": key.value[-_SHOWN:],
            "in_stage_file": key.value == in_stage_file,
        }
        yield json.dumps(members)


def _state(key: ApiKey) -> str:
    return ("enabled" if key.enabled else "disabled") if key.in_plan else "in no plan"


def main(arguments: list[str] | None = None) -> int:
    """Run one command."""
    options = _parse(arguments)
    return run("keys", lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    owner = check_owner(options.owner) if options.owner is not None else None
    role = check_role(options.role) if options.role is not None else None
    if role and options.command not in {"create", "rotate"}:
        raise OperatorError("ROLE=... is for make key and make rotate-key")
    stage = _open(options.stage)
    if options.command == "list":
        show = as_json if options.json else table
        for line in show(stage.keys.all(), stage.deployment.api_key):
            print(line)
    elif options.command == "revoke":
        if (owner is None) == (options.key is None):
            raise OperatorError("give OWNER=... for all keys of an owner or KEY=... for one key, not both")
        stage.revoke(owner, options.key)
    elif owner is None:
        raise OperatorError("OWNER=... is needed")
    elif options.command == "create":
        stage.create(owner, role or Role.WRITER)
    else:
        stage.rotate(owner, role, revoke_old=options.revoke_old)


def _open(name: str | None) -> StageKeys:
    settings = read_settings()
    deployment = read_deployment(settings.state_dir, check_stage(name or settings.stage))
    usage_plan = deployment.resources.get("usage_plan")
    if usage_plan is None:
        raise OperatorError(f"the stage {deployment.stage!r} was deployed without keys of its own: deploy it again")
    target = target_of(deployment)
    return StageKeys(
        settings, deployment, target, ApiKeys(target.client("apigateway"), deployment.stage, usage_plan)
    )


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        prog="python -m infra.keys",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=["create", "list", "rotate", "revoke"])
    parser.add_argument("--stage", help="the deployed stage (default: JOBPIPE_STAGE, else local)")
    parser.add_argument("--owner", help="the caller that the key identifies")
    parser.add_argument("--role", help="reader, writer or operator (with create: writer; with rotate: as before)")
    parser.add_argument("--json", action="store_true", help="with list: print a JSON object for each key")
    parser.add_argument("--key", metavar="ID", help="with revoke: the id of the only key to revoke")
    parser.add_argument("--revoke-old", action="store_true", help="with rotate: revoke the owner's other keys")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
