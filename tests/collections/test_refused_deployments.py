"""A folder of collections with a mistake is refused before an emulator is started or anything is deployed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.collections.folders import write_orders
from tests.helpers.commands import clean_environment, run

pytestmark = pytest.mark.slow

# make adds its own line to an error, and names its depth when another make runs it, as "make test" does.
_MAKE_FAILED = re.compile(r"make(\[\d+\])?: \*\*\* ")


@pytest.mark.parametrize(
    ("words", "command"),
    [(("demo",), "up"), (("deploy-local", "TARGET=embedded"), "up"), (("package",), "package")],
)
def test_a_mistake_in_the_folder(tmp_path: Path, words: tuple[str, ...], command: str) -> None:
    folder = write_orders(tmp_path / "mine", collection='title = "Order"\nindex = []\n')
    state = tmp_path / "state"

    done = run("make", "-s", *words, f"COLLECTIONS={folder}", env=clean_environment(JOBPIPE_STATE_DIR=str(state)))

    lines = [line for line in done.stderr.splitlines() if not _MAKE_FAILED.match(line)]
    expected = f"{command}: mine/orders/collection.toml, line 2: there is no key index; did you mean indexes?"
    assert (done.returncode, lines, done.stdout) == (2, [expected], "")
    assert not state.exists()


def test_a_folder_that_does_not_exist_is_shown_with_its_whole_path(tmp_path: Path) -> None:
    environment = clean_environment(JOBPIPE_STATE_DIR=str(tmp_path), JOBPIPE_COLLECTIONS="no/such")
    done = run("make", "-s", "deploy-local", "TARGET=embedded", env=environment)
    assert "/no/such does not exist (COLLECTIONS)" in done.stderr.splitlines()[0]
    assert done.stderr.startswith("up: the folder of collections /")
