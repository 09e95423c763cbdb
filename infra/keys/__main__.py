"""`python -m infra.keys create|list|rotate|revoke`: the API keys of a stage.

A key that is made is the only line on standard output, so that it can be captured; all else goes to standard error.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

from infra.cli.command_line import OneLineParser, run
from infra.deployment.readiness import KEY_SECONDS, wait_for_key
from infra.errors import OperatorError
from infra.keys.api_keys import ApiKey, ApiKeys, check_owner
from infra.settings import Settings, check_stage, read_settings
from infra.stage.stage_file import Deployment, read_deployment, stage_file, write_deployment
from infra.targets.target import target_of

_EXAMPLES = """examples:
  KEY=$(make -s key OWNER=alice)               a first key of alice
  make keys                                    whose keys there are
  make rotate-key OWNER=alice                  a further key; the old one stays good
  make rotate-key OWNER=alice REVOKE_OLD=yes   a further key; the old ones end
  make revoke-key KEY=h2k9d1xw0c               one key ends
  make revoke-key OWNER=alice                  all keys of alice end
"""
_SHOWN = 4  # characters of a secret of 32


@dataclass(frozen=True)
class StageKeys:
    """The keys of a stage that was deployed from here, and the stage file, which holds one of them."""

    settings: Settings
    deployment: Deployment
    keys: ApiKeys

    def create(self, owner: str) -> None:
        """The first key of an owner: who gets a key of one that is there already sees all of its jobs."""
        if self.keys.of(owner):
            raise OperatorError(f"{owner} has a key already; make rotate-key OWNER={owner} makes a further one")
        self._hand_out(self.keys.add(owner))

    def rotate(self, owner: str, *, revoke_old: bool) -> None:
        """A further key of an owner; the old ones end only when the new one is good."""
        old = self._keys_of(owner)
        new = self.keys.add(owner)
        if any(key.value == self.deployment.api_key for key in old):
            path = write_deployment(self.settings.state_dir, replace(self.deployment, api_key=new.value))
            _say(f"{path} has the new key now")
        good = self._hand_out(new)
        if not revoke_old:
            _say(f"still good: {', '.join(key.key_id for key in old)} (make revoke-key KEY=...)")
        elif good:
            self._end(old)
        else:
            raise OperatorError("the old keys stay until the new one is good: make revoke-key KEY=...")

    def revoke(self, owner: str | None, key_id: str | None) -> None:
        """Ends all keys of an owner, or one key."""
        doomed = self._keys_of(owner) if owner else [key for key in self.keys.all() if key.key_id == key_id]
        if not doomed:
            raise OperatorError(f"the stage {self.deployment.stage!r} has no key {key_id}")
        for key in doomed:
            if key.value == self.deployment.api_key:
                path = stage_file(self.settings.state_dir, self.deployment.stage)
                raise OperatorError(
                    f"{key.key_id} is the key in {path}: first make rotate-key OWNER={key.owner}, "
                    "then revoke the old one by KEY=..."
                )
        self._end(doomed)

    def _keys_of(self, owner: str) -> list[ApiKey]:
        found = self.keys.of(owner)
        if not found:
            raise OperatorError(f"{owner} has no key of the stage {self.deployment.stage!r}")
        return found

    def _hand_out(self, key: ApiKey) -> bool:
        print(key.value, flush=True)  # first of all, since nobody can be asked for it again
        _say(f"key {key.key_id} of {key.owner}, shown this once; it goes into the header x-api-key")
        good = wait_for_key(self.deployment.base_url, key.value, good=True)
        if not good:
            _say(f"API Gateway has not taken it for {KEY_SECONDS} s; that may last some minutes")
        return good

    def _end(self, keys: list[ApiKey]) -> None:
        for key in keys:
            if self.keys.end(key):
                _say(f"key {key.key_id} of {key.owner} is deleted")
            else:
                _say(f"key {key.key_id} is out of the plan, not deleted: {key.name!r} is no name of the stage's")
        for key in keys:
            if not wait_for_key(self.deployment.base_url, key.value, good=False):
                raise OperatorError(f"after {KEY_SECONDS} s {key.key_id} is still taken, or nothing answers")


def table(keys: list[ApiKey], in_use: str) -> Iterator[str]:
    """The keys for people, a line each; of a secret no more than its end."""
    rows = [("OWNER", "KEY ID", "CREATED", "STATE", "ENDS IN", "")]
    for key in keys:
        state = ("enabled" if key.enabled else "disabled") if key.in_plan else "in no plan"
        created = key.created.astimezone().isoformat(timespec="seconds")
        mark = "in the stage file" if key.value == in_use else ""
        rows.append((key.owner, key.key_id, created, state, key.value[-_SHOWN:], mark))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def main(arguments: list[str] | None = None) -> int:
    """Runs one command."""
    options = _parse(arguments)
    return run("keys", lambda: _command(options))


def _command(options: argparse.Namespace) -> None:
    owner = check_owner(options.owner) if options.owner is not None else None
    stage = _open(options.stage)
    if options.command == "list":
        for line in table(stage.keys.all(), stage.deployment.api_key):
            print(line)
    elif options.command == "revoke":
        if (owner is None) == (options.key is None):
            raise OperatorError("say which keys: OWNER=... for all of an owner's or KEY=... for one, not both")
        stage.revoke(owner, options.key)
    elif owner is None:
        raise OperatorError("say whose key: OWNER=...")
    elif options.command == "create":
        stage.create(owner)
    else:
        stage.rotate(owner, revoke_old=options.revoke_old)


def _open(name: str | None) -> StageKeys:
    settings = read_settings()
    deployment = read_deployment(settings.state_dir, check_stage(name or settings.stage))
    usage_plan = deployment.resources.get("usage_plan")
    if usage_plan is None:
        raise OperatorError(f"the stage {deployment.stage!r} was deployed without keys of its own: deploy it again")
    gateway = target_of(deployment).client("apigateway")
    return StageKeys(settings, deployment, ApiKeys(gateway, deployment.stage, usage_plan))


def _say(line: str) -> None:
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
    parser.add_argument("--owner", help="the caller whose key it is")
    parser.add_argument("--key", metavar="ID", help="with revoke: this one key, by its id")
    parser.add_argument("--revoke-old", action="store_true", help="with rotate: end the owner's other keys")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
