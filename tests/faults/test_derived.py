"""`make faults COLLECTIONS=folder` derives scenarios from the schemas and operations of a folder of its user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.commands import ROOT

pytestmark = pytest.mark.slow

SCHEMA = {
    "type": "object",
    "properties": {
        "code": {"type": "integer", "minimum": 1},
        "place": {"type": "string", "minLength": 1, "maxLength": 20},
        "price": {"type": "number", "multipleOf": 0.01, "minimum": 0, "maximum": 1000},
    },
    "required": ["code", "place"],
    "additionalProperties": False,
}
OPERATIONS = '''
from jobpipe.operation import Refused, operation


@operation(takes={"by": {"type": "number", "multipleOf": 0.01, "minimum": 0.01, "maximum": 10}})
def raise_price(spot, by):
    """Raise the price of a spot that has one."""
    if "price" not in spot:
        raise Refused("free", "A free spot stays free.")
    return {**spot, "price": min(1000, spot["price"] + by)}
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    spots = tmp_path / "mine" / "camp-spots"
    spots.mkdir(parents=True)
    (spots / "collection.toml").write_text(
        'title = "Spot"\nkey = "code"\nunique = ["place"]\nindexes = []\naccess = "own"\n'
    )
    (spots / "schema.json").write_text(json.dumps(SCHEMA))
    (spots / "operations.py").write_text(OPERATIONS)
    return spots.parent


def faults(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.faults", "--jobs", "1", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "JOBPIPE_FAULTS_COLLECTIONS": ""},
        check=False,
    )


def test_an_operation_of_a_folder_outside_of_the_checkout_is_proved(folder: Path) -> None:
    done = faults("--collections", str(folder), "camp-spots:raise-price", "camp-spots:upsert")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 failed" in done.stdout
    assert "camp-spots: raise-price, upsert" in done.stdout
    assert "proved for each" in done.stdout


def test_every_command_of_a_collection_is_derived(folder: Path) -> None:
    done = faults("--collections", str(folder), "camp-spots:no-such")
    assert done.returncode == 2
    for name in ("create", "delete", "read", "set", "merge", "upsert", "taken-place", "look-ups"):
        assert f"camp-spots:{name}," in done.stderr, done.stderr
    assert "camp-spots:raise-price-refused" in done.stderr


def test_a_mistake_in_the_folder_is_one_line(folder: Path) -> None:
    (folder / "camp-spots" / "collection.toml").write_text('title = "Spot"\nkey = "number"\n')
    done = faults("--collections", str(folder))
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "camp-spots/collection.toml, line 2" in done.stderr
