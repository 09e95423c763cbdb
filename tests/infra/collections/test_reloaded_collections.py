"""`make dev` applies a saved module of a collection, or says why it cannot."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from infra.collections.build import VERDICTS, build_package
from infra.errors import OperatorError
from infra.reloading.collections import MANIFEST, PurityCheck, rebuilt_package
from tests.helpers.shop import SHOP
from tests.helpers.vanishing import deleted_when_read


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHOP, tmp_path / "shop", ignore=shutil.ignore_patterns("__pycache__")))


@pytest.fixture
def manifest(folder: Path, tmp_path: Path) -> bytes:
    """The manifest of the collections as they were deployed."""
    build_package(folder, tmp_path / "deployed")
    return (tmp_path / "deployed" / MANIFEST).read_bytes()


def test_another_operation_needs_no_deployment(folder: Path, tmp_path: Path, manifest: bytes) -> None:
    operations = folder / "orders" / "operations.py"
    operations.write_text(operations.read_text().replace("def pay(", "def settle("))
    files = rebuilt_package(folder, tmp_path, manifest)
    assert files is not None
    build_package(folder, tmp_path / "expected")
    expected = tmp_path / "expected"
    assert files == {
        path.relative_to(expected).as_posix(): path.read_bytes() for path in expected.rglob("*") if path.is_file()
    }
    assert b"settle" in files[MANIFEST]
    assert b"'pay'" not in files[MANIFEST]


@pytest.mark.parametrize("change", ["no operations", "an index less", "a collection less"])
def test_what_the_stage_must_have_needs_a_deployment(
    folder: Path, tmp_path: Path, manifest: bytes, change: str
) -> None:
    if change == "no operations":  # the route for operations goes
        (folder / "orders" / "operations.py").unlink()
        (folder / "orders" / "totals.py").unlink()
    elif change == "an index less":
        settings = folder / "orders" / "collection.toml"
        text = settings.read_text()
        assert 'indexes = ["customer"]' in text
        settings.write_text(text.replace('indexes = ["customer"]', "indexes = []"))
    else:
        shutil.rmtree(folder / "subscriptions")
    assert rebuilt_package(folder, tmp_path, manifest) is None


def test_a_mistake_is_an_error(folder: Path, tmp_path: Path, manifest: bytes) -> None:
    operations = folder / "orders" / "operations.py"
    operations.write_text(operations.read_text() + "\ndef half(\n")
    with pytest.raises(OperatorError, match="was never closed; the functions are not changed"):
        rebuilt_package(folder, tmp_path, manifest)


def test_a_module_that_is_deleted_while_it_is_read_is_an_error(
    folder: Path, tmp_path: Path, manifest: bytes
) -> None:
    module = folder / "orders" / "totals.py"
    with (
        deleted_when_read(module),
        pytest.raises(OperatorError, match=r"totals\.py was deleted while it was being read"),
    ):
        rebuilt_package(folder, tmp_path, manifest)
    assert not module.exists()


def test_what_is_not_pure_is_told_once(folder: Path, tmp_path: Path) -> None:
    operations = folder / "orders" / "operations.py"
    operations.write_text(operations.read_text().replace('"paid_at": at', '"paid_at": str(id(order))'))
    check = PurityCheck(folder, tmp_path)
    check.begin()
    found = None
    while found is None and not (tmp_path / "collections" / VERDICTS).exists():
        found = check.problem()
    check.end()
    assert found is not None
    assert "orders/operations.py" in found
    assert check.problem() is None


@pytest.mark.slow
def test_collections_are_read_while_operations_are_tried(folder: Path, tmp_path: Path, manifest: bytes) -> None:
    """Two threads of Python 3.11 that parse at the same time can fail with a SystemError."""
    check = PurityCheck(folder, tmp_path)
    check.begin()
    while not (tmp_path / "collections" / VERDICTS).exists():
        assert rebuilt_package(folder, tmp_path, manifest) is not None
        assert check.problem() is None
    check.end()
