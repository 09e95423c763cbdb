"""The package jobpipe_collections has what a Lambda loads; the same folder gives the same bytes; zips have it."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infra.collections.build import build_package
from infra.collections.folder import read_folder
from infra.errors import OperatorError
from infra.packaging.package import APPS, build_folder, input_hash, package_all
from infra.settings import COLLECTIONS, ROOT
from tests.collections.folders import SCHEMA, change, write_orders

pytestmark = pytest.mark.slow

LOAD = """
import importlib, json, sys
sys.path[:0] = sys.argv[1:]
from jobpipe_collections import COLLECTIONS
import jobpipe_collections.line_items.operations as operations
from jobpipe_collections.line_items.operation_takes import CHECKS
from jobpipe_collections.line_items.schema import check
found = []
check({"number": 7}, lambda detail, path: found.append(detail))
CHECKS["ship"]({}, lambda detail, path: found.append(detail))
paid = {"number": "7", "customer": "a", "status": "paid"}
shipped, event = operations.ship(paid, carrier="dhl", at="now")
foreign = [name for name, each in sys.modules.items() if "site-packages" in (getattr(each, "__file__", "") or "")]
print(json.dumps([COLLECTIONS, found, shipped, event.type, foreign]))
"""


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_package_is_loaded_without_any_library(tmp_path: Path) -> None:
    folder = write_orders(tmp_path / "mine", "line-items")
    build_package(folder, tmp_path / "built")

    command = [sys.executable, "-I", "-S", "-B", "-c", LOAD, str(tmp_path / "built"), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    collections, found, shipped, event, foreign = json.loads(done.stdout)
    assert collections == {
        "line-items": {
            "name": "line-items",
            "module": "line_items",
            "title": "Order",
            "key": "number",
            "unique": ["invoice"],
            "indexes": ["customer"],
            "access": "shared",
            "types": {"number": "string", "invoice": "integer", "customer": "string"},
            "operations": ["ship"],
            "has_operations": True,
        }
    }
    assert len(found) >= 4
    assert shipped == {"number": "7", "customer": "a", "status": "shipped", "carrier": "dhl", "shipped_at": "now"}
    assert (event, foreign) == ("shipped", [])


def test_the_files_of_the_package(tmp_path: Path) -> None:
    folder = write_orders(tmp_path / "mine", prices="ONE = 1\n")
    for name in ("test_operations.py", "conftest.py", "README.md"):
        (folder / "orders" / name).write_text("x")
    write_orders(folder, "bills", operations=None, collection='title = "Bill"\n')
    build_package(folder, tmp_path / "built")

    files = content(tmp_path / "built" / "jobpipe_collections")
    generated = {"__init__.py", "schema.py", "schema.json", "operations.json", "operation_takes.py"}
    assert set(files) == {
        "__init__.py",
        *(f"orders/{name}" for name in generated | {"operations.py", "prices.py"}),
        *(f"bills/{name}" for name in generated),
    }
    assert files["orders/operations.py"] == (folder / "orders" / "operations.py").read_bytes()
    assert json.loads(files["orders/schema.json"]) == SCHEMA
    assert json.loads(files["orders/operations.json"]) == {
        "ship": {
            "description": "Ship a paid order.",
            "takes": {"carrier": {"type": "string", "minLength": 1}},
            "optional": {"note": {"type": "string"}},
        }
    }
    assert json.loads(files["bills/operations.json"]) == {}
    assert files["bills/__init__.py"] == b""


def test_numbers_of_the_schema_keep_their_digits(tmp_path: Path) -> None:
    number = "0.12345678901234567890123456789"
    schema = f'{{"type": "object", "properties": {{"number": {{"type": "number", "multipleOf": {number}}}}}}}'
    folder = write_orders(tmp_path / "mine", schema=schema, collection='title = "a"\n', operations=None)
    build_package(folder, tmp_path / "built")
    written = json.loads(
        (tmp_path / "built" / "jobpipe_collections" / "orders" / "schema.json").read_text(), parse_float=Decimal
    )
    assert written["properties"]["number"]["multipleOf"] == Decimal(number)


def test_the_same_folder_gives_the_same_bytes_wherever_it_is(tmp_path: Path) -> None:
    folder = write_orders(tmp_path / "mine", "b")
    write_orders(folder, "a")
    shutil.copytree(folder, tmp_path / "other" / "copy")
    os.utime(tmp_path / "other" / "copy" / "a" / "schema.json", (1, 1))
    for place, target in ((folder, "one"), (tmp_path / "other" / "copy", "two")):
        build_package(place, tmp_path / target)
        build_package(place, tmp_path / target)
    assert content(tmp_path / "one") == content(tmp_path / "two")
    table = ast.parse((tmp_path / "one" / "jobpipe_collections" / "__init__.py").read_text()).body[-1]
    assert isinstance(table, ast.Assign)
    assert list(ast.literal_eval(table.value)) == ["a", "b"]


def test_what_an_earlier_folder_had_is_gone(tmp_path: Path) -> None:
    build_package(write_orders(tmp_path / "mine"), tmp_path / "built")
    build_package(COLLECTIONS, tmp_path / "built")
    assert set(content(tmp_path / "built" / "jobpipe_collections")) == {"__init__.py"}


@pytest.mark.parametrize("name", ["collection.toml", "schema.json", "operations.py", "prices.py"])
def test_every_file_decides_whether_a_zip_is_built_again(tmp_path: Path, name: str) -> None:
    folder = write_orders(tmp_path, prices="ONE = 1\n")
    before = {app: input_hash(app, read_folder(folder)) for app in APPS}
    path = folder / "orders" / name
    path.write_text(f"{path.read_text()}\n")
    assert not {input_hash(app, read_folder(folder)) for app in APPS} & set(before.values())


def test_both_zips_have_the_collections(tmp_path: Path) -> None:
    folder = write_orders(tmp_path / "mine")
    first = package_all(tmp_path / "build", folder)
    for app, package in first.items():
        with zipfile.ZipFile(package.zip_path) as archive:
            names = {name for name in archive.namelist() if name.startswith("jobpipe_collections/")}
        assert {"jobpipe_collections/__init__.py", "jobpipe_collections/orders/operations.py"} <= names
        bill = json.loads(package.zip_path.with_suffix(".cdx.json").read_text())
        assert names <= set(files_of(bill, "jobpipe")), app
    assert not any(package.rebuilt for package in package_all(tmp_path / "build", folder).values())
    without = package_all(tmp_path / "build", COLLECTIONS)
    assert all(package.rebuilt for package in without.values())
    assert {package.content_hash for package in without.values()} & {
        package.content_hash for package in first.values()
    } == set()
    with zipfile.ZipFile(without["api"].zip_path) as archive:
        names = {name for name in archive.namelist() if name.startswith("jobpipe_collections/")}
    assert names == {"jobpipe_collections/__init__.py"}


def files_of(bill: dict[str, Any], component: str) -> list[str]:
    (found,) = [each for each in bill["components"] if each["name"] == component]
    return [each["name"] for each in found["components"]]


def test_nothing_is_built_of_a_folder_with_a_mistake(tmp_path: Path) -> None:
    folder = write_orders(tmp_path / "mine", operations=change("return None"))
    with pytest.raises(OperatorError, match="returns nothing"):
        package_all(tmp_path / "build", folder)
    assert not list((tmp_path / "build").rglob("*.zip"))


def test_a_build_changes_neither_the_folder_nor_the_checkout(tmp_path: Path) -> None:
    folder = write_orders(
        tmp_path / "mine", operations=f"from . import prices\n{change('return order')}", prices=""
    )
    before = [(path, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))]
    status = ["git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=all"]
    untracked = subprocess.run(status, capture_output=True, text=True, check=False).stdout
    package_all(tmp_path / "build", folder)
    assert [(path, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))] == before
    assert subprocess.run(status, capture_output=True, text=True, check=False).stdout == untracked


def test_each_folder_is_built_in_a_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.packaging.package.BUILD_DIR", tmp_path / "build")
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    places = [build_folder(folder) for folder in folders]
    assert len({tmp_path / "build", *places, build_folder(COLLECTIONS)}) == 3
    folders[0].rmdir()
    assert build_folder(folders[1]) == places[1]
    assert [place.exists() for place in places] == [False, True], "the folder of the first is gone"
