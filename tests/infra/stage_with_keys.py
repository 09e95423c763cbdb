"""A stage with keys, on an emulator of its own, and the commands for them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from api_lambda.chalicelib.http.callers import Role
from infra.emulator import running_emulator
from infra.keys.api_keys import ApiKey, new_api_key
from infra.stage.stage_file import read_deployment
from tests.helpers import commands
from tests.helpers.deployed import Stage

Run = Callable[..., commands.Done]


@contextmanager
def commands_on_a_stage(state_dir: Path) -> Iterator[Run]:
    """Deploy a stage, and yield a function that runs `python -m infra.MODULE` on it."""
    with running_emulator(state_dir) as emulator:
        environment = commands.clean_environment(JOBPIPE_STATE_DIR=str(state_dir), JOBPIPE_PORT=str(emulator.port))

        def command(module: str, *arguments: str) -> commands.Done:
            return commands.run(sys.executable, "-m", f"infra.{module}", *arguments, env=environment)

        up = command("deploy", "up", "--target", "embedded")
        assert up.returncode == 0, up.stderr
        yield command


def deployed(state_dir: Path) -> Stage:
    return Stage(read_deployment(state_dir, "local"))


def key_of(done: commands.Done, owner: str, role: Role = Role.WRITER) -> str:
    """Return the key that the command made, which is its whole standard output."""
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(rf"{owner}{role.letter}[0-9a-f]{{32}}\n", done.stdout)
    assert f" of {owner}, {role}, " in done.stderr
    assert done.stdout.strip() not in done.stderr
    return done.stdout.strip()


def is_accepted(stage: Stage, key: str) -> bool:
    status = stage.request("GET", "/items", key=key).status_code
    assert status in {200, 403}
    return status == 200


def key_outside_plan(stage: Stage, owner: str, name: str) -> ApiKey:
    """Make a key of the owner under a name, outside of the usage plan."""
    made = stage.aws("apigateway").create_api_key(name=name, enabled=True, value=new_api_key(owner))
    return ApiKey(made["id"], name, owner, made["createdDate"], enabled=True, in_plan=False, value=made["value"])
