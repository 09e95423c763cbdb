"""`make new-collection` writes a collection that passes every check and has tests that pass."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from infra.collections.build import prepare_package
from infra.collections.folder import read_folder
from infra.collections.operations import read_operations
from infra.collections.scaffold import FILES, write_collection
from infra.errors import OperatorError
from infra.settings import COLLECTIONS
from tests.helpers.commands import Done, clean_environment, run

pytestmark = pytest.mark.slow


def make(*words: str, **environment: str) -> Done:
    return run("make", "-s", "new-collection", *words, env=clean_environment(**environment))


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("orders", "Order"),
        ("line-items", "Line item"),
        ("companies", "Company"),
        ("addresses", "Address"),
        ("news", "New"),
        ("status-", "Status"),
        ("class", "Class"),
        ("notes", "Note"),
        ("x", "X"),
        ("a" * 32, "A" + "a" * 31),
    ],
)
def test_what_is_written_passes_every_check(tmp_path: Path, name: str, title: str) -> None:
    folder = tmp_path / "made" / "mine"
    write_collection(folder, name)
    (source,) = read_folder(folder)
    assert source.settings.title == title
    assert [operation.name for operation in read_operations(source)] == ["close"]
    prepare_package(folder, tmp_path / "built")


def test_its_tests_pass(tmp_path: Path) -> None:
    written = write_collection(tmp_path, "orders")
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(written)]
    done = run(*command, env=clean_environment())
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_its_tests_pass_in_the_checkout_too() -> None:
    name = f"made-by-a-test-{os.getpid()}"
    try:
        written = write_collection(COLLECTIONS, name)
        done = run(
            sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(written), env=os.environ
        )
    finally:
        for file in FILES:
            (COLLECTIONS / name / file).unlink(missing_ok=True)
        (COLLECTIONS / name).rmdir()
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_make_new_collection(tmp_path: Path) -> None:
    folder = tmp_path / "it's mine"
    done = make("NAME=orders", f"COLLECTIONS={folder}")
    assert done.returncode == 0, done.stderr
    assert f"{folder}/orders: collection.toml, schema.json, operations.py, test_operations.py" in done.stdout
    assert {path.name for path in (folder / "orders").iterdir()} == set(FILES)
    before = {path: path.read_text() for path in (folder / "orders").iterdir()}

    again = make("NAME=orders", JOBPIPE_COLLECTIONS=str(folder))
    assert again.returncode != 0
    assert again.stderr.splitlines()[0] == f"new-collection: {folder}/orders already exists, and is not changed"
    assert {path: path.read_text() for path in (folder / "orders").iterdir()} == before


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Orders", "Orders is not a name of a collection"),
        ("jobs", "jobs cannot be the name of a collection"),
        ("items", "items is built in"),
        ("../x", "../x is not a name of a collection"),
        ("--help", "--help is not a name of a collection"),
    ],
)
def test_a_name_that_cannot_be(tmp_path: Path, name: str, expected: str) -> None:
    done = make(f"NAME={name}", f"COLLECTIONS={tmp_path}/mine")
    assert done.stderr.splitlines()[0].startswith(f"new-collection: {expected}")
    assert not list(tmp_path.iterdir())


def test_a_name_is_needed() -> None:
    assert make().stderr.splitlines()[0] == "make: NAME=... is needed"


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    with pytest.raises(OperatorError, match="mine is not a folder"):
        write_collection(tmp_path / "mine", "orders")
    (tmp_path / "orders").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OperatorError, match="already exists"):
        write_collection(tmp_path, "orders")
