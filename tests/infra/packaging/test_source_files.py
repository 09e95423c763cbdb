"""Unknown files beside the sources are neither shipped nor silently ignored."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.errors import OperatorError
from infra.packaging.source_files import app_files, package_files

APP = {
    *("app.py", "chalicelib/__init__.py", ".chalice/config.json", "requirements.in", "requirements.txt"),
    *("chalicelib/console/page.html", "chalicelib/console/style.css", "chalicelib/console/json_text.js"),
    "chalicelib/contract/openapi.yaml",
}
IGNORED = {
    "__pycache__/app.cpython-311.pyc",
    "chalicelib/__pycache__/jobs.cpython-311.pyc",
    ".mypy_cache/3.11/app.data.json",
    ".chalice/deployments/x-python3.11.zip",
    ".chalice/deployed/dev.json",
    "chalicelib/endpoints/jobs.py~",
    "chalicelib/.jobs.py.swp",
    "chalicelib/console/page.html.orig",
}


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "api_lambda"
    for name in APP | IGNORED:
        write(folder, name)
    return folder


def write(folder: Path, name: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")


def test_modules_and_known_data_are_sources_and_caches_and_backups_are_not(app: Path) -> None:
    assert {path.relative_to(app).as_posix() for path in app_files(app)} == APP


@pytest.mark.parametrize(
    "name",
    [
        "chalicelib/.env.local",
        "chalicelib/jobs copy.py",
        "chalicelib/old.pyc",
        "chalicelib/data.json",
        "chalicelib/contract/openapi.json",
        "chalicelib/page.html",
        "chalicelib/console/logo.svg",
        "chalicelib/console/old/page.js",
        ".env",
        "scratch.py",
        "vendor/other/__init__.py",
        ".chalice/policy-dev.json",
    ],
)
def test_anything_else_ends_the_build_with_one_line(app: Path, name: str) -> None:
    write(app, name)

    with pytest.raises(OperatorError, match="move it elsewhere") as raised:
        app_files(app)

    assert f"api_lambda/{name} " in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_a_package_has_only_modules(tmp_path: Path) -> None:
    write(tmp_path, "job.py")
    assert package_files(tmp_path) == [tmp_path / "job.py"]

    write(tmp_path, "notes.md")
    with pytest.raises(OperatorError, match=r"notes\.md is neither a module"):
        package_files(tmp_path)


@pytest.mark.parametrize("to_a_folder", [True, False])
def test_links_out_of_the_sources_are_refused(app: Path, tmp_path: Path, to_a_folder: bool) -> None:
    write(tmp_path / "elsewhere", "secret.py")
    target = tmp_path / "elsewhere" / ("" if to_a_folder else "secret.py")
    (app / "chalicelib" / "link.py").symlink_to(target)

    with pytest.raises(OperatorError, match=r"link\.py is neither a module"):
        app_files(app)
