"""The make targets for keys, as an operator types them."""

from __future__ import annotations

import re
import secrets
import sys
from pathlib import Path

import pytest

from tests.helpers import commands
from tests.helpers.deployed import Stage
from tests.integration.operators import Operator

pytestmark = pytest.mark.slow


def test_all_keys_of_a_caller_from_the_first_to_the_last(stage: Stage, tmp_path: Path) -> None:
    owner, environment = f"owner{secrets.token_hex(4)}", Operator(stage, tmp_path).environment

    def make(*words: str) -> commands.Done:
        # make need not install the tools, which the tests' environment has.
        tools = ("--old-file=.venv/.installed", f"PY={sys.executable}", f"STAGE={stage.deployment.stage}")
        return commands.run("make", "--silent", *tools, *words, env=environment)

    def output_of(*words: str) -> str:
        done = make(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def statuses(*keys: str) -> list[int]:
        return [stage.request("GET", f"/jobs/{job['id']}", key=key).status_code for key in keys]

    first = output_of("key", f"OWNER={owner}")
    job = stage.request("POST", "/items", {"name": secrets.token_hex(8), "description": "d"}, key=first).json()
    assert owner in output_of("keys")
    second = output_of("rotate-key", f"OWNER={owner}")
    assert statuses(first, second) == [200, 200]
    third = output_of("rotate-key", f"OWNER={owner}", "REVOKE_OLD=yes")
    assert statuses(first, second, third) == [403, 403, 200]
    fourth = output_of("rotate-key", f"OWNER={owner}")
    output_of("revoke-key", f"KEY={stage.api_keys.of(owner)[0].key_id}")
    output_of("revoke-key", f"OWNER={owner}")
    assert statuses(third, fourth, stage.deployment.api_key) == [403, 403, 404]
    assert owner not in output_of("keys")


@pytest.mark.parametrize("words", [("key",), ("key", "OWNER=No"), ("rotate-key", "OWNER=nobody"), ("revoke-key",)])
def test_mistakes_are_one_line_and_make_fails(stage: Stage, tmp_path: Path, words: tuple[str, ...]) -> None:
    tools = ("--old-file=.venv/.installed", f"PY={sys.executable}", f"STAGE={stage.deployment.stage}")
    done = commands.run("make", "--silent", *tools, *words, env=Operator(stage, tmp_path).environment)
    assert done.returncode != 0
    mistake, make = done.stderr.strip().splitlines()
    assert mistake.startswith("keys: ")
    assert re.match(r"make(\[\d+\])?: \*\*\*", make)  # it has a number under another make
