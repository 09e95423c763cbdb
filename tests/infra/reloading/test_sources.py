"""`make dev` looks at the files that a deployment reads, and at no others."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from infra.collections.folder import paths_read, read_folder
from infra.packaging.package import APPS
from infra.packaging.source_files import app_files
from infra.reloading.sources import Sources, changed_files
from infra.settings import ROOT
from tests.helpers.shop import SHOP
from tests.helpers.vanishing import deleted_when_read

BACKUPS = (
    *("{}~", "{}.~1~", "#{}#", ".#{}", "{}.bak", "{}.BAK", "{}.orig", "{}.rej", "{}.swp", ".{}.swp", "{}.save"),
    *("{}.save.1", "{}___jb_tmp___", "4913", "operations_BASE_4711.py", ".goutputstream-4C8W21", ".{}.kate-swp"),
)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHOP, tmp_path / "shop", ignore=shutil.ignore_patterns("__pycache__")))


@pytest.fixture
def sources(tmp_path: Path, shop: Path) -> Sources:
    apps = {
        app: Path(shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__")))
        for app, folder in APPS.items()
    }
    return Sources(apps, shop)


def names_of_changes(sources: Sources, before: dict[Path, Any]) -> set[str]:
    return {path.name for path in changed_files(before, sources.read())}


@pytest.mark.parametrize("pattern", BACKUPS)
def test_a_backup_of_an_editor_is_no_change_and_no_mistake(sources: Sources, shop: Path, pattern: str) -> None:
    before, digests = sources.read(), [source.digest() for source in read_folder(shop)]
    api = sources.apps["api"]
    built = app_files(api)
    for path in (shop / "orders" / "operations.py", api / "app.py"):
        path.with_name(pattern.format(path.name)).write_text("def half(\n")
    assert names_of_changes(sources, before) == set()
    assert [source.digest() for source in read_folder(shop)] == digests
    assert app_files(api) == built


@pytest.mark.parametrize("name", [".#operations.py", ".operations.py"])
def test_a_hidden_name_is_no_module(shop: Path, name: str) -> None:
    before = [source.digest() for source in read_folder(shop)]
    (shop / "orders" / name).symlink_to("user@host.4711:1")
    assert [source.digest() for source in read_folder(shop)] == before


@pytest.mark.parametrize("name", ["base_2.py", "old.py", "prices_local_1.py", "save.py", "bak.py"])
def test_a_module_is_no_backup(shop: Path, name: str) -> None:
    (shop / "orders" / name).write_text("ONE = 1\n")
    [orders] = [source for source in read_folder(shop) if source.name == "orders"]
    assert name in orders.modules
    assert shop / "orders" / name in paths_read(shop)


def test_files_that_no_deployment_reads_are_no_change(sources: Sources, shop: Path) -> None:
    before = sources.read()
    for name in ("orders.csv", "orders.csv.jobpipe-import", "orders.failed.csv", "README.md", "scripts/fill.py"):
        path = shop / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    for name in ("README.md", "test_operations.py", "tests/test_more.py", "__pycache__/operations.pyc", ".git/x"):
        path = shop / "orders" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    read_folder(shop)
    assert names_of_changes(sources, before) == set()


def test_what_a_deployment_reads_or_refuses_is_a_change(sources: Sources, shop: Path) -> None:
    for name in ("collection.toml", "schema.json", "operations.py", "more.py", "Schema.json"):
        before = sources.read()
        path = shop / "orders" / name
        path.write_text((path.read_text() if path.exists() else "") + "\n")
        assert names_of_changes(sources, before) == {name}
    before = sources.read()
    (shop / "orders" / "Schema.json").unlink()
    (shop / "orders" / "prices").mkdir()
    (shop / "new").mkdir()
    (shop / "new" / "schema.json").write_text("{}")
    assert names_of_changes(sources, before) == {"Schema.json", "prices", "schema.json"}
    before = sources.read()
    (shop / "orders" / "collection.toml").unlink()
    assert "collection.toml" in names_of_changes(sources, before)


def test_each_file_that_decides_what_is_packaged_is_looked_at(sources: Sources, shop: Path) -> None:
    packaged = {path for source in read_folder(shop) for path in source.files}
    assert packaged == set(paths_read(shop))
    assert packaged <= sources.read().keys()


@pytest.mark.parametrize("where", ["apps", "orders", "shop"])
def test_a_folder_that_vanishes_while_it_is_read_is_left_out(sources: Sources, shop: Path, where: str) -> None:
    gone = {"apps": sources.apps["api"] / "chalicelib" / "endpoints", "orders": shop / "orders", "shop": shop}[
        where
    ]
    before = set(sources.read())
    expected = {path for path in before if not path.is_relative_to(gone)}
    assert expected < before
    with deleted_when_read(gone):
        assert set(sources.read()) == expected
    assert not gone.exists()
